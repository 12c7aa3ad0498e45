"""What was probably meant, when nothing was found.

Words that begin or end like the misspelled one are compared with it letter by
letter. What is offered has been searched for in the same scope: it is sure to
find something, and tells nobody a word from messages they may not read.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from chats.models import Message
from chats.search.backends import backend
from chats.search.documents import Row, documents
from chats.search.plan import Phrase, Plan, phrase_of
from chats.search.query import Query, Term
from chats.search.spelling import distance
from chats.search.tokens import is_name

# A page may ask the database so often on behalf of what was misspelled; filters have had questions of their own.
LOOKS = 4
# So many words are asked for at once. One by one, the misspellings of everybody else's messages, of which a large
# portal has all there are, came before the word that was meant.
MOST = 64
# A word further down in a very long text does not count.
LOOKED_AT = 10_000


def suggestion(query: Query, plan: Plan, found: Callable[[Plan], Sequence[Message]]) -> str:
    """The query with one word mended, or empty.

    `plan`: the query's own. `found`: the newest hits of a plan, some of them.
    """
    terms = [term for term in query.terms if not term.excluded and phrase_of(term) is not None]
    # The terms come first; what a filter stands for is worked out already.
    filters = plan.required[len(terms) :]
    looks = LOOKS - min(len(query.filters), 2)

    def look(phrases: tuple[tuple[Phrase, ...], ...]) -> Sequence[Message]:
        nonlocal looks
        looks -= 1
        return found(replace(plan, required=(*phrases, *filters), others=()))

    for place, term in enumerate(terms):
        word = _word(term)
        # Of several words, the one that finds nothing is the misspelled one.
        if not word or looks < 1 or (len(terms) > 1 and look((plan.required[place],))):
            continue
        for near in _candidates(word):
            if looks < 1:
                break
            phrases = tuple(Phrase((other,)) for other in near)
            there = look((*plan.required[:place], phrases, *plan.required[place + 1 : len(terms)]))
            times = Counter(other for words in _words(there) for other in words.intersection(near))
            if times:
                return str(query.with_term(term, Term(max(sorted(times), key=times.__getitem__))))
    return ""


def _word(term: Term) -> str:
    """The one word of a term that can be misspelled."""
    phrase = phrase_of(term)
    if term.excluded or phrase is None or len(phrase.tokens) != 1 or len(phrase.tokens[0]) < 3:
        return ""
    return phrase.tokens[0] if is_name(phrase.tokens[0]) else ""


def _words(messages: Sequence[Message]) -> list[set[str]]:
    rows = (Row(*(getattr(message, field) for field in Row._fields)) for message in messages)
    return [set(document.words) for document in documents([row._replace(text=row.text[:LOOKED_AT]) for row in rows])]


def _candidates(word: str) -> list[list[str]]:
    """Words of the vocabulary that are equally far away together, the nearest first."""
    allowed = 1 if len(word) <= 4 else 2
    near: list[list[str]] = [[] for _ in range(allowed)]
    for other in backend().neighbours(word):
        if other != word and (away := distance(word, other, allowed)) <= allowed:
            near[away - 1].append(other)
    return [others[:MOST] for others in near if others]
