"""Messages taken in as the portal does it: the phone's history in the batches in which the connector reads it."""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.db import connection

from chats.intake import take_in
from chats.models import Message
from instances.models import Instance
from instances.whatsapp.events import MessageArrived, Party, Stored
from instances.whatsapp.history import BATCH
from tests.bench.searching.rows import OWN, kinds, lid, phone, texts

# Of a large account: 300,000 messages in 1,000 chats.
A_CHAT = 300
FROM = datetime(2024, 6, 1, tzinfo=UTC)


def history(instance: Instance, count: int, seed: int) -> Iterator[Stored]:
    """Chat by chat, and in each the newest first, as phones tell it."""
    rng = random.Random(seed)
    text_of = texts(rng)
    kind_of = kinds(rng)
    for number in range(count):
        chat, place = divmod(number, A_CHAT)
        other = Party(lid(instance.pk, chat), phone(instance.pk, chat))
        mine = rng.random() < 0.4
        yield MessageArrived(
            message_id=f"3EB0{rng.getrandbits(80):020X}",
            chat=other,
            sender=Party(OWN) if mine else other,
            is_group=False,
            from_me=mine,
            sent_at=FROM + timedelta(seconds=rng.randrange(1, 20_000) - 20_000 * place),
            kind=next(kind_of),
            text=next(text_of),
            push_name="" if mine else f"Maria {chat}",
        )


def take_history_in(count: int, seed: int) -> Iterator[tuple[int, float]]:
    """(messages, seconds) of each batch."""
    instance = Instance.objects.order_by("pk")[seed % 10]
    # Made beforehand: the wire's part is not measured here.
    events = list(history(instance, count, seed))
    for first in range(0, count, BATCH):
        batch = events[first : first + BATCH]
        start = time.perf_counter()
        taken = take_in(instance, batch, live=False)
        yield len(batch), time.perf_counter() - start
        assert len(taken.messages) == len(batch)


def insert_plainly(count: int, seed: int) -> Iterator[tuple[int, float]]:
    """The floor: the same rows by Django's own bulk_create, into a table with nothing but a primary key."""
    instance = Instance.objects.order_by("pk")[seed % 10]
    chat = instance.chats.order_by("pk")[0]
    events = [event for event in history(instance, count, seed) if isinstance(event, MessageArrived)]
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE plain_message AS SELECT * FROM chats_message WHERE id < 0")
    for first in range(0, count, BATCH):
        rows = [
            Message(
                pk=number, instance=instance, chat=chat, sender=event.sender.jid, message_id=event.message_id,
                from_me=event.from_me, sent_at=event.sent_at, kind=event.kind, text=event.text,
                sender_name=event.push_name, wire_chat=event.chat.jid, wire_sender=event.sender.jid,
            )
            for number, event in enumerate(events[first : first + BATCH], start=first)
        ]  # fmt: skip
        Message._meta.db_table, table = "plain_message", Message._meta.db_table
        try:
            start = time.perf_counter()
            Message.objects.bulk_create(rows)
            yield len(rows), time.perf_counter() - start
        finally:
            Message._meta.db_table = table
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE plain_message")
