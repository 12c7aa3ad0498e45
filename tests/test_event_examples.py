"""What is really told of each kind of event has the fields that the OpenAPI document names."""

import json
from unittest.mock import patch

import pytest
from django.utils import timezone

from chats import events
from chats.errands import batch
from chats.errands.batch import By
from chats.models import Batch, Chat, Message, Pin, PinEvent
from chats.pinbook import Asker
from chats.rules import manage
from chats.schedule import wish
from chats.schedule.wish import Wanted
from instances import tokens
from instances.events import webhooks
from instances.events.examples import DATA
from instances.events.kinds import KINDS, TEST, Event
from instances.events.models import OutgoingEvent
from instances.models import Account, Instance
from instances.whatsapp.events import Party, Receipt
from instances.whatsapp.stating import save_state

BOB = "5511999990002@s.whatsapp.net"


@pytest.fixture
def instance(db: None) -> Instance:
    return Instance.objects.create(account=Account.objects.create(name="Alice"), name="shop")


def said(instance: Instance, name: str, kind: str = Message.Kind.TEXT) -> Message:
    chat, _ = Chat.objects.get_or_create(instance=instance, jid=BOB, defaults={"kind": Chat.Kind.DIRECT})
    return Message.objects.create(
        instance=instance, chat=chat, message_id=name, sender=BOB, sent_at=timezone.now(), kind=kind, from_me=False
    )


def told(event: Event | None) -> None:
    assert event is not None
    body = json.loads(event.body)
    assert body["data"].keys() == DATA[body["event"]].keys(), body["event"]
    assert body.keys() == {"id", "event", "instance", "timestamp", "data"}


def test_each_has_an_example() -> None:
    assert set(DATA) == {*KINDS, TEST}


def test_messages_pins_and_the_rest(instance: Instance) -> None:
    message = said(instance, "3EB01")
    told(events.of_message(message, timezone.now()))
    told(events.of_message(said(instance, "3EB02", Message.Kind.SYSTEM), timezone.now()))
    pin = Pin.objects.create(message=message, state=Pin.State.PINNED)
    told(events.of_pin(pin, PinEvent.objects.create(pin=pin, kind=PinEvent.Kind.SEEN, pinning=True)))
    told(events.of_receipt(instance, Receipt(Party(BOB), Party(BOB), ("3EB01",), "read", timezone.now()), message.chat))
    told(save_state(instance))


def test_what_is_made_over_the_api(instance: Instance) -> None:
    """Read from where they wait for the webhook."""
    hook, _ = webhooks.add(instance, "https://crm.example.com/", list(KINDS))
    token, _ = tokens.issue(instance.account)
    by, message = By(token=token), said(instance, "3EB01")
    batch.make(instance, Batch.Action.UNPIN, None, [batch.Wanted("3EB01", message)], by)
    manage.add(instance, manage.Wanted(name="R", trigger="message", words="x", duration=86_400), by)
    wish.make(message, Wanted(stay=True), Asker("Alice"))
    with patch("instances.events.outbox.wake"):
        webhooks.test(hook)
    rows = list(OutgoingEvent.objects.all())
    assert {row.kind for row in rows} == {"pin.batch", "pin.rule", "pin.schedule", TEST}
    for row in rows:
        assert json.loads(row.body)["data"].keys() == DATA[row.kind].keys(), row.kind
