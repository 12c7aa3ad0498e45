"""Search among all messages, newest first: `parse` what was typed, `search` for it.

Scope is the set of instances the caller may see. It is part of every query
that reaches the database; nothing from elsewhere is ever read.
"""

from collections.abc import Collection

from django.db.models import Q

from chats.models import Message
from chats.search.keys import Cursor, key_of, time_of
from chats.search.page import Hit, Page
from chats.search.query import Filter, Query, Term, between, parse

__all__ = ["Cursor", "Filter", "Hit", "Page", "Query", "Term", "catch_up", "parse", "search"]


def search(scope: Collection[int], query: Query, before: Cursor | None = None, limit: int = 50) -> Page:
    """One page of hits, newest first, older than `before`. `scope`: primary keys of instances."""
    # A naive stand-in; the real one has the same face.
    rows = Message.objects.filter(instance__in=list(scope), deleted_at=None).exclude(kind__in=Message.ACTIONS)
    for term in query.terms:
        match = Q(text__icontains=term.text) | Q(sender_name__icontains=term.text)
        rows = rows.exclude(match) if term.excluded else rows.filter(match)
    since, until = between(query)
    if since:
        rows = rows.filter(sent_at__gte=since)
    if until:
        rows = rows.filter(sent_at__lt=until)
    if query.values("type"):
        rows = rows.filter(kind__in=query.values("type"))
    if "mine" in query.values("is"):
        rows = rows.filter(from_me=True)
    if before is not None:
        rows = rows.filter(sent_at__lte=time_of(before.key))
    found = sorted(rows.select_related("chat"), key=lambda row: -key_of(row.sent_at, row.pk)) if query else []
    if before is not None:
        found = [row for row in found if key_of(row.sent_at, row.pk) < before.key]
    hits = [Hit(row, ((row.text[:200], False),)) for row in found[:limit]]
    more = Cursor(key_of(found[limit - 1].sent_at, found[limit - 1].pk)) if len(found) > limit else None
    return Page(hits, more)


def catch_up() -> int:
    """Bring the index up to date with the messages' table; how many messages that were."""
    return 0
