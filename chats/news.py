"""Telling live pages what has changed, after it is in the database.

News carry keys and pins, no text: whoever may see a message reads it from the
database, and nobody else learns what it says by listening.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from chats import events
from chats.models import Batch, Message, Pin, PinEvent
from instances.events import outbox
from instances.events.kinds import Event
from instances.whatsapp import service

PINS = "pins"
RECEIPTS = "receipts"
BATCHES = "batches"
RULES = "rules"
SCHEDULES = "schedules"


def pin_changed(pin: Pin, line: PinEvent, live: bool = True) -> None:
    """A pin's state or attempt has changed, as `line` says; told once the transaction is through.

    For other programs it is an event, written in the same transaction if some
    webhook wants it; the WebSocket's readers get it from the news. Not `live`:
    the phone's history says so, of which only open pages hear.
    """
    told = [events.of_pin(pin, line)] if live else []
    outbox.put(told)
    message = pin.message
    bodies = [event.body for event in told]
    uid, payload = message.instance.uid, {"message": message.pk, "chat": message.chat_id, "events": bodies}
    transaction.on_commit(lambda: service.publish(uid, PINS, payload))


def status_changed(uid: UUID, changed: Mapping[Message.Status, Sequence[int]], told: Sequence[Event]) -> None:
    """Messages of ours were delivered, read or played: their keys by the status they have now, and the events."""
    keys: dict[str, Any] = {status.name.lower(): list(keys) for status, keys in changed.items()}
    service.publish(uid, RECEIPTS, {**keys, "events": [event.body for event in told]})


def batch_changed(batch: Batch, event: Event) -> None:
    """A batch began, stopped, went on or came to its end; told once the transaction is through."""
    outbox.put([event])
    uid, payload = batch.instance.uid, {"batch": str(batch.uid), "events": [event.body]}
    transaction.on_commit(lambda: service.publish(uid, BATCHES, payload))


def rules_changed(told: Sequence[Event]) -> None:
    """Rules were switched, or found something; told once the transaction is through. Of one instance."""
    _orders_changed(RULES, told)


def schedule_changed(event: Event) -> None:
    """A schedule was made or cancelled, or took a step; told once the transaction is through."""
    _orders_changed(SCHEDULES, [event])


def _orders_changed(topic: str, told: Sequence[Event]) -> None:
    if not told:
        return
    outbox.put(told)
    uid, payload = told[0].instance.uid, {"events": [event.body for event in told]}
    transaction.on_commit(lambda: service.publish(uid, topic, payload))


def batch_moved(batch: Batch) -> None:
    """A batch is one message further. For pages alone: each pin is an event by itself."""
    service.publish(batch.instance.uid, BATCHES, {"batch": str(batch.uid)})
