"""A query and a scope, worked out into what an index understands: tokens, and a range of keys."""

import re
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from django.db import connection

from chats.models import Message
from chats.search import people
from chats.search.documents import MINE, chat_mark, instance_mark, kind_mark, sender_mark, single_mark
from chats.search.keys import LARGEST, SMALLEST, Cursor, first_key, key_of
from chats.search.query import TYPES, Query, Term, between
from chats.search.tokens import fold, pieces

# Every list costs: beyond so many instances, or from this share of all there
# are, most of what is found is in scope anyway, and the rows' own instance,
# which is looked at in any case, decides alone.
MAX_INSTANCE_MARKS = 64
FEW_INSTANCES = 4
MOST = 1 / 4
COUNTED_EVERY = 10.0
# By database: when, and how many instances.
_counted: dict[str, tuple[float, int]] = {}
MEDIA = ("image", "video", "audio", "voice", "document", "sticker")
# The phones' ids have 16 characters and more, digits among them.
_ID = re.compile(r"(?=.*[0-9])[A-Za-z0-9._:=/+-]{12,128}")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Tokens in a row; `prefix`: the last one may go on."""

    tokens: tuple[str, ...]
    prefix: bool = False


# "All but these words" needs something to take them from: every message has a type.
EVERYTHING = tuple(Phrase((kind_mark(kind),)) for kind in sorted(TYPES))


@dataclass(frozen=True, slots=True)
class Plan:
    """All of `required` (any one phrase of each), none of `excluded`, with first <= key <= last."""

    scope: frozenset[int]
    required: tuple[tuple[Phrase, ...], ...] = ()
    excluded: tuple[Phrase, ...] = ()
    first: int = SMALLEST
    last: int = LARGEST
    # Only these keys, or all but these.
    only: frozenset[int] | None = None
    but: frozenset[int] = frozenset()
    # What is found as well: a word may be a message's id.
    named: tuple["Plan", ...] = ()

    def before(self, cursor: Cursor) -> "Plan":
        """The same for what is older."""
        return replace(
            self, last=min(self.last, cursor.key - 1), named=tuple(other.before(cursor) for other in self.named)
        )

    @property
    def hopeless(self) -> bool:
        """Nothing can match: nobody is called that, nothing is in scope, the dates exclude each other."""
        return not self.scope or self.first > self.last or not all(self.required) or self.only == frozenset()


def make_plan(scope: Collection[int], query: Query, before: Cursor | None) -> Plan | None:
    """The plan; None when there is nothing to look for."""
    terms = [term for term in query.terms if not term.excluded and phrase_of(term) is not None]
    required = [_phrases(scope, term) or () for term in terms]
    excluded = [phrase for term in query.terms if term.excluded for phrase in _phrases(scope, term) or ()]
    if not required and not excluded and not query.filters:
        return None
    allowed = people.instances(scope, query.values("instance"), query.values("instance", excluded=True))
    for entry in query.filters:
        if entry.excluded:
            excluded.extend(_marks(allowed, entry.name, [entry.value]) or ())
    for name in ("in", "from", "type", "has", "is"):
        # Two values of one filter are alternatives: type:image type:video.
        for values in _groups(name, query.values(name)):
            marks = _marks(allowed, name, values)
            if marks is not None:
                required.append(marks)
    if _is_narrow(allowed):
        required.append(tuple(Phrase((instance_mark(pk),)) for pk in sorted(allowed)))
    elif not required:
        required.append(EVERYTHING)
    first, last = _span(query)
    pinned = people.pinned_keys(allowed) if _mentions_pins(query) else frozenset()
    plan = Plan(
        allowed,
        tuple(required),
        tuple(excluded),
        first,
        last,
        only=pinned if "pinned" in query.values("is") else None,
        but=pinned if "pinned" in query.values("is", excluded=True) else frozenset(),
    )
    if not plan.hopeless:
        plan = replace(plan, named=tuple(_named(plan, terms)))
    return plan if before is None else plan.before(before)


def _named(plan: Plan, terms: list[Term]) -> Iterator[Plan]:
    """For each term that is the id of messages: these, and of the plan all but that term."""
    for place, term in enumerate(terms):
        keys = _keys_named(plan.scope, term.text) if looks_like_id(term) else frozenset()
        if keys:
            required = (*plan.required[:place], *plan.required[place + 1 :])
            yield replace(
                plan,
                required=required or (EVERYTHING,),
                first=max(plan.first, min(keys)),
                last=min(plan.last, max(keys)),
                only=keys if plan.only is None else keys & plan.only,
            )


def _is_narrow(scope: frozenset[int]) -> bool:
    if len(scope) <= FEW_INSTANCES:
        return True
    return len(scope) <= MAX_INSTANCE_MARKS and len(scope) < MOST * _instances()


def _instances() -> int:
    """How many there are, or were some seconds ago: it decides how to go about a search, not what is found."""
    name, now = str(connection.settings_dict["NAME"]), time.monotonic()
    at, count = _counted.get(name, (now - COUNTED_EVERY, 0))
    if now - at >= COUNTED_EVERY:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM instances_instance")
            count = int(cursor.fetchone()[0])
        _counted[name] = now, count
    return count


def _groups(name: str, values: list[str]) -> list[list[str]]:
    if name == "is":
        return [[value] for value in values]
    return [values] if values else []


def _mentions_pins(query: Query) -> bool:
    return any((entry.name, entry.value) == ("is", "pinned") for entry in query.filters)


def _marks(scope: frozenset[int], name: str, values: list[str]) -> tuple[Phrase, ...] | None:
    """The marks a filter stands for; None for one that is no matter of marks."""
    marks: set[str] = set()
    for value in values:
        if name == "in":
            marks.update(chat_mark(pk) for pk in people.chats(scope, value))
        elif name == "from" and fold(value) == "me":
            marks.add(MINE)
        elif name == "from":
            marks.update(map(sender_mark, people.senders(scope, value)))
        elif name == "type":
            marks.add(kind_mark(value))
        elif name == "has":
            marks.update(map(kind_mark, MEDIA))
        elif (name, value) == ("is", "mine"):
            marks.add(MINE)
        else:
            return None
    return tuple(Phrase((mark,)) for mark in sorted(marks))


def _phrases(scope: Collection[int], term: Term) -> tuple[Phrase, ...] | None:
    """What the term may stand as in a text; None for a term of punctuation only."""
    phrase = phrase_of(term)
    if phrase is None:
        return None
    number = re.sub(r"[().+/\s-]", "", term.text)
    if not term.phrase and re.fullmatch(r"[0-9]{5,15}" if term.prefix else r"[0-9]{7,15}", number):
        marks = map(sender_mark, people.numbers(scope, number))
        chats = map(chat_mark, people.chats_of_number(scope, number))
        spelled = {phrase, Phrase((number,), term.prefix)}
        return (*spelled, *(Phrase((mark,)) for mark in {*marks, *chats}))
    return (phrase,)


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


def _span(query: Query) -> tuple[int, int]:
    since, until = between(query)
    return first_key(since) if since else SMALLEST, first_key(until) - 1 if until else LARGEST


def looks_like_id(term: Term) -> bool:
    """Whether a term may be a message's id."""
    return not term.prefix and _ID.fullmatch(term.text) is not None


def _keys_named(scope: Collection[int], text: str) -> frozenset[int]:
    """Of messages whose id this is; the phones write ids in capitals."""
    rows = Message.objects.filter(instance__in=scope, message_id__in={text, text.upper()}, deleted_at=None)
    rows = rows.exclude(kind__in=Message.ACTIONS).order_by("-sent_at", "-pk")
    return frozenset(key_of(at, pk) for at, pk in rows.values_list("sent_at", "pk")[:100])
