"""Search among all messages, newest first: `parse` what was typed, `search` for it.

Scope is the set of instances the caller may see. It is part of every query
that reaches the database; nothing from elsewhere is ever read. `catch_up`
brings the index up to date and belongs at the end of whatever writes messages.
"""

from collections.abc import Collection, Iterator

from chats.models import Message
from chats.search.crowd import find
from chats.search.hits import messages
from chats.search.index import catch_up, note_nameless, rebuild, tidy
from chats.search.keys import Cursor, pk_of
from chats.search.page import Hit, Page
from chats.search.plan import Plan
from chats.search.planning import make_plan
from chats.search.query import Filter, Query, Term, parse
from chats.search.retention import forget_old
from chats.search.snippet import snippets
from chats.search.suggest import suggestion

__all__ = [
    "Cursor",
    "Filter",
    "Hit",
    "Page",
    "Query",
    "Term",
    "catch_up",
    "count",
    "forget_old",
    "note_nameless",
    "parse",
    "rebuild",
    "search",
    "tidy",
    "walk",
]

MAX_LIMIT = 1_000
COUNTED_AT_ONCE = 10_000
# So many hits say which of the words like a misspelled one is meant.
SUGGESTED_BY = 50


def search(scope: Collection[int], query: Query, before: Cursor | None = None, limit: int = 50) -> Page:
    """One page of hits, newest first, older than `before`.

    `scope`: primary keys of instances. `limit`: up to MAX_LIMIT. An empty
    query finds nothing; filters alone find all that have these properties.
    """
    limit = min(max(limit, 1), MAX_LIMIT)
    scope = frozenset(scope)
    plan = make_plan(scope, query, before)
    keys, more = _newest(plan, limit)
    cut = snippets(query)
    hits = [Hit(message, cut(message.text)) for message in messages(scope, keys)]
    if keys or more or before is not None or plan is None or plan.hopeless:
        return Page(hits, more)
    few = min(limit, SUGGESTED_BY)
    return Page(hits, more, suggestion(query, plan, lambda other: messages(scope, _newest(other, few)[0])))


def walk(scope: Collection[int], query: Query) -> Iterator[list[Message]]:
    """All hits, newest first, in batches of up to MAX_LIMIT; each with its chat, none with its `data`.

    Between two batches nothing is held: no transaction, no cursor, no lock.
    What arrives meanwhile is not among them, unless it is older than where the
    walk has come to.
    """
    rows = Message.objects.filter(instance__in=list(scope), deleted_at=None).select_related("chat").defer("data")
    for keys in _all_keys(make_plan(scope, query, None), MAX_LIMIT):
        there = rows.in_bulk([pk_of(key) for key in keys])
        yield [there[pk_of(key)] for key in keys if pk_of(key) in there]


def count(scope: Collection[int], query: Query) -> int:
    """How many hits there are; their keys are read for it, ten thousand at a time."""
    return sum(map(len, _all_keys(make_plan(scope, query, None), COUNTED_AT_ONCE)))


def _all_keys(plan: Plan | None, limit: int) -> Iterator[list[int]]:
    """Those of all hits, so many at a time; who is meant by a name is found out once, for all of them."""
    while plan is not None:
        keys, more = _newest(plan, limit)
        if keys:
            yield keys
        plan = plan.before(more) if more else None


def _newest(plan: Plan | None, limit: int) -> tuple[list[int], Cursor | None]:
    """Up to `limit` keys, largest first, and where to go on, if there may be more."""
    if plan is None or plan.hopeless:
        return [], None
    answers = [find(one, limit + 1) for one in (plan, *plan.others)]
    # Below where one of them has stopped looking, the others' are not all there are.
    down_to = max((down_to for _, down_to in answers if down_to is not None), default=None)
    found = {key for keys, _ in answers for key in keys if down_to is None or key >= down_to}
    keys = sorted(found, reverse=True)
    if len(keys) > limit:
        return keys[:limit], Cursor(keys[limit - 1])
    return keys, None if down_to is None else Cursor(down_to)
