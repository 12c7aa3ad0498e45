"""Keeping the index like the messages' table: triggers note what changed, this carries it out."""

from collections import Counter
from collections.abc import Collection, Iterable
from operator import attrgetter

from django.db import connection, transaction

from chats.models import Chat, Message
from chats.search import vocabulary
from chats.search.backends import backend
from chats.search.documents import Row, documents
from chats.search.keys import key_of, pk_of
from instances.models import Instance

BATCH = 1_000
_fields = attrgetter(*Row._fields)


def catch_up(stored: Iterable[Message] = (), batches: int | None = None) -> int:
    """Bring the index up to date; how many changes that were. Each batch is a transaction.

    To be called by whoever has just written messages, inside the same
    transaction: then a message and its place in the index come into being
    together. `stored`: what was inserted in this transaction, as it was
    inserted; it need not be read again. `batches`: how many at most; all of
    them unless given.
    """
    at_hand = {message.pk: message for message in stored}
    done = 0
    while batches is None or batches > 0:
        taken = _one_batch(at_hand)
        done += taken
        if taken < BATCH:
            break
        batches = None if batches is None else batches - 1
    return done


@transaction.atomic(savepoint=False)
def _one_batch(at_hand: dict[int, Message]) -> int:
    index = backend()
    pending = index.take_pending(BATCH)
    if not pending:
        return 0
    keys = set(pending)
    # What was noted once is as it was inserted; what was changed after that was noted again.
    times = Counter(map(pk_of, pending))
    known = {pk for pk, count in times.items() if count == 1 and pk in at_hand}
    rows = [Row._make(_fields(at_hand[pk])) for pk in known]
    # What a later batch notes again has changed, even if it stands there only once.
    for pk in times:
        at_hand.pop(pk, None)
    if len(known) < len(times):
        there = Message.objects.filter(pk__in=times.keys() - known, deleted_at=None).exclude(kind__in=Message.ACTIONS)
        rows.extend(map(Row._make, there.values_list(*Row._fields)))
    # A message whose time was mended has two keys; only one is right.
    fresh = documents([row for row in rows if key_of(row.sent_at, row.pk) in keys])
    index.remove(keys - {document.key for document in fresh})
    if fresh:
        index.write(fresh)
        vocabulary.learn({word for document in fresh for word in document.words})
    return len(pending)


def note_nameless(instance: Instance, senders: Collection[str], *, live: bool) -> None:
    """Note what is stored of people without their names (as history brings it), now that they have one.

    `live`: only the chats with them, whose messages an index finds; else all of the instance's are looked through.
    """
    found = Message.objects.filter(instance=instance, sender__in=senders, sender_name="", deleted_at=None)
    if live:
        found = found.filter(chat__in=list(Chat.objects.filter(instance=instance, jid__in=senders)))
    keys = [(key_of(at, pk),) for at, pk in found.exclude(kind__in=Message.ACTIONS).values_list("sent_at", "pk")]
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO chats_searchpending (key) VALUES (%s)", keys)


def rebuild() -> int:
    """Note every message as changed and catch up; how many messages that were."""
    with connection.cursor() as cursor:
        cursor.execute(backend().note_all)
    return catch_up()


def tidy() -> int:
    """For the housekeeping: leave less to do for whoever searches next; how much that was."""
    return backend().tidy()
