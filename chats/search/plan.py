"""What an index is asked for: tokens, and a range of keys."""

from dataclasses import dataclass, replace

from chats.search.documents import single_mark
from chats.search.keys import LARGEST, SMALLEST, Cursor
from chats.search.query import Term
from chats.search.tokens import fold, pieces


@dataclass(frozen=True, slots=True)
class Phrase:
    """Tokens in a row; `prefix`: the last one may go on."""

    tokens: tuple[str, ...]
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """All of `required` (any one phrase of each), none of `excluded`, with first <= key <= last.

    And what is asked of the rows, not of the index: a mark of each of `crowds`, none of `left_out`.
    """

    scope: frozenset[int]
    required: tuple[tuple[Phrase, ...], ...] = ()
    excluded: tuple[Phrase, ...] = ()
    first: int = SMALLEST
    last: int = LARGEST
    # Only these keys, or all but these.
    only: frozenset[int] | None = None
    but: frozenset[int] = frozenset()
    crowds: tuple[frozenset[str], ...] = ()
    left_out: frozenset[str] = frozenset()
    # What is found as well: a word may be a message's id, or the number of very many.
    others: tuple["Plan", ...] = ()

    def before(self, cursor: Cursor) -> "Plan":
        """The same for what is older."""
        others = tuple(other.before(cursor) for other in self.others)
        return replace(self, last=min(self.last, cursor.key - 1), others=others)

    @property
    def hopeless(self) -> bool:
        """Nothing can match: nobody is called that, nothing is in scope, the dates exclude each other."""
        return not self.scope or self.first > self.last or not all(self.required) or self.only == frozenset()


def phrase_of(term: Term) -> Phrase | None:
    """The tokens of a term, as `tokens` made them of the message."""
    parts = list(pieces(fold(term.text)))
    if not parts:
        return None
    last, last_is_run = parts[-1]
    if parts == [(last, True)] and len(last) == 1:
        return Phrase((single_mark(last),))
    found: list[str] = []
    for piece, is_run in parts[:-1]:
        found.extend([piece[at : at + 2] for at in range(len(piece))] if is_run else [piece])
    if not last_is_run:
        return Phrase((*found, last), term.prefix)
    if len(last) == 1:
        return Phrase((*found, last), prefix=True)
    # The run may go on in the message, so its last character has no say here.
    return Phrase((*found, *(last[at : at + 2] for at in range(len(last) - 1))))
