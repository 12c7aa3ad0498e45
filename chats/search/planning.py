"""A query and a scope, worked out into a plan."""

import time
from collections.abc import Collection, Iterator
from dataclasses import replace

from django.db import connection

from chats.search import people
from chats.search.documents import instance_mark, kind_mark
from chats.search.keys import LARGEST, SMALLEST, Cursor, first_key
from chats.search.meaning import keys_named, looks_like_id, marks_of_filter, meanings, phrases
from chats.search.plan import Phrase, Plan, phrase_of
from chats.search.query import TYPES, Query, Term, between

# Every list costs: beyond so many instances, or from this share of all there
# are, most of what is found is in scope anyway, and the rows' own instance,
# which is looked at in any case, decides alone.
MAX_INSTANCE_MARKS = 64
FEW_INSTANCES = 4
MOST = 1 / 4
COUNTED_EVERY = 10.0
# By database: when, and how many instances.
_counted: dict[str, tuple[float, int]] = {}
# So many people and chats are asked for in the index in one search, 50 µs each; more are a crowd (`crowd.py`).
MAX_MARKS = 500
# Of those who are not meant fewer: most messages are not theirs, which the rows say sooner.
MAX_EXCLUDED = 50
# A type or one person is no crowd, whatever else is asked for.
FEW_MARKS = 8
# "All but these words" needs something to take them from: every message has a type.
EVERYTHING = tuple(Phrase((kind_mark(kind),)) for kind in sorted(TYPES))


def make_plan(scope: Collection[int], query: Query, before: Cursor | None) -> Plan | None:
    """The plan; None when there is nothing to look for."""
    terms = [term for term in query.terms if not term.excluded and phrase_of(term) is not None]
    unwanted = [term for term in query.terms if term.excluded and phrase_of(term) is not None]
    if not terms and not unwanted and not query.filters:
        return None
    allowed = people.instances(scope, query.values("instance"), query.values("instance", excluded=True))
    room = _Room()
    required, by_number = _of_terms(allowed, terms, room)
    groups, crowds = _of_filters(allowed, query, room)
    required += groups
    excluded, left_out = _excluded(allowed, unwanted, query, room)
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
        crowds=tuple(crowds),
        left_out=left_out,
    )
    if not plan.hopeless:
        plan = replace(plan, others=tuple(_others(plan, terms, by_number)))
    return plan if before is None else plan.before(before)


def _others(plan: Plan, terms: list[Term], by_number: dict[int, frozenset[str]]) -> Iterator[Plan]:
    """The plan with one of its terms meaning something else than what the text says: an id, a crowd."""
    for place, term in enumerate(terms):
        required = (*plan.required[:place], *plan.required[place + 1 :]) or (EVERYTHING,)
        if place in by_number:
            yield replace(plan, required=required, crowds=(*plan.crowds, by_number[place]))
        if looks_like_id(term) and (keys := keys_named(plan.scope, term.text)):
            yield replace(
                plan,
                required=required,
                first=max(plan.first, min(keys)),
                last=min(plan.last, max(keys)),
                only=keys if plan.only is None else keys & plan.only,
            )


class _Room:
    """How many marks the index may still be asked for in one search."""

    def __init__(self) -> None:
        self.left = MAX_MARKS

    def takes(self, marks: Collection[str]) -> bool:
        if len(marks) > max(self.left, FEW_MARKS):
            return False
        self.left -= len(marks)
        return True


def _of_terms(
    scope: frozenset[int], terms: list[Term], room: _Room
) -> tuple[list[tuple[Phrase, ...]], dict[int, frozenset[str]]]:
    """What is required for each of the terms, and by their places the crowds whose number they are."""
    required: list[tuple[Phrase, ...]] = []
    by_number: dict[int, frozenset[str]] = {}
    for place, term in enumerate(terms):
        spelled, marks = meanings(scope, term)
        if room.takes(marks):
            spelled = (*spelled, *phrases(marks))
        else:
            by_number[place] = marks
        required.append(spelled)
    return required, by_number


def _of_filters(
    scope: frozenset[int], query: Query, room: _Room
) -> tuple[list[tuple[Phrase, ...]], list[frozenset[str]]]:
    """What is required of the index, and of the rows."""
    required: list[tuple[Phrase, ...]] = []
    crowds: list[frozenset[str]] = []
    for name in ("in", "from", "type", "has", "is"):
        # Two values of one filter are alternatives: type:image type:video.
        for values in _groups(name, query.values(name)):
            marks = marks_of_filter(scope, name, values)
            if marks is None:
                continue
            if room.takes(marks):
                required.append(phrases(marks))
            else:
                crowds.append(marks)
    return required, crowds


def _excluded(
    scope: frozenset[int], terms: list[Term], query: Query, room: _Room
) -> tuple[list[Phrase], frozenset[str]]:
    """What is not wanted from the index, and from the rows."""
    excluded: list[Phrase] = []
    marks: set[str] = set()
    for term in terms:
        spelled, of_number = meanings(scope, term)
        excluded += spelled
        marks |= of_number
    for entry in query.filters:
        if entry.excluded:
            marks |= marks_of_filter(scope, entry.name, [entry.value]) or frozenset()
    if len(marks) <= MAX_EXCLUDED and room.takes(marks):
        return [*excluded, *phrases(marks)], frozenset()
    return excluded, frozenset(marks)


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


def _span(query: Query) -> tuple[int, int]:
    since, until = between(query)
    return first_key(since) if since else SMALLEST, first_key(until) - 1 if until else LARGEST
