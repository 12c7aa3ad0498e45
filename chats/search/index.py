"""Keeping the index like the messages' table: triggers note what changed, this carries it out."""

from collections.abc import Iterable
from typing import Any

from django.db import connection, transaction

from chats.models import Message
from chats.search import vocabulary
from chats.search.backends import backend
from chats.search.documents import Row, documents
from chats.search.keys import key_of, pk_of

BATCH = 500


def catch_up(batches: int | None = None) -> int:
    """Bring the index up to date; how many changes that were. Each batch is a transaction.

    To be called by whoever has just written messages, inside the same
    transaction: then a message and its place in the index come into being
    together. `batches`: how many at most; all of them unless given.
    """
    done = 0
    while batches is None or batches > 0:
        taken = _one_batch()
        done += taken
        if taken < BATCH:
            break
        batches = None if batches is None else batches - 1
    return done


@transaction.atomic
def _one_batch() -> int:
    index = backend()
    pending = index.take_pending(BATCH)
    if not pending:
        return 0
    keys = set(pending)
    rows = Message.objects.filter(pk__in={pk_of(key) for key in keys}, deleted_at=None)
    stored: Iterable[Any] = rows.exclude(kind__in=Message.ACTIONS).values_list(*Row._fields)
    # A message whose time was mended has two keys; only one is right.
    fresh = documents([row for row in map(Row._make, stored) if key_of(row.sent_at, row.pk) in keys])
    index.remove(keys - {document.key for document in fresh})
    if fresh:
        index.write(fresh)
        vocabulary.learn({word for document in fresh for word in document.words})
    return len(pending)


def rebuild() -> int:
    """Note every message as changed and catch up; how many messages that were."""
    with connection.cursor() as cursor:
        cursor.execute(backend().note_all)
    return catch_up()
