"""What the phones do to a chat and its messages, and what becomes of our pins; the wire's side is in tests/e2e."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone
from neonize.proto import Neonize_pb2 as pb
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import KEEP_FOR_ALL, UNDO_KEEP_FOR_ALL
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message as Wire

from chats import pinbook, pins
from chats.errors import MessageDeleted, MessageDisappeared, NotInAConversation
from chats.intake import take_in
from chats.models import Message, Pin, PinEvent
from chats.pinbook import Asker, Outcome, Wish
from instances.events import webhooks
from instances.events.models import OutgoingEvent
from instances.models import Instance
from instances.whatsapp.adapter import groups
from instances.whatsapp.errors import AdminsOnly, AdminsWrite
from instances.whatsapp.events import Party
from tests.test_adapter import jid, read
from tests.test_intake import START, action, arrived, make_instance

DAY, WEEK = 86_400, 604_800


@pytest.fixture
def instance(db: None) -> Instance:
    return make_instance()


def story(instance: Instance) -> tuple[Pin, list[str]]:
    """The one pin, and the kinds of its history."""
    pin = Pin.objects.get(message__instance=instance)
    return pin, [event.kind for event in PinEvent.objects.filter(pin=pin)]


def test_deletion_ends_the_pin(instance: Instance) -> None:
    take_in(instance, [arrived(), action("pin", "3EB01", 10, pin_duration=WEEK)])
    take_in(instance, [action("delete", "3EB01", 20)])
    pin, kinds = story(instance)
    assert (pin.state, pin.expires_at, kinds) == (Pin.State.UNPINNED, None, ["seen", "deleted"])
    assert pin.changed_at == START + timedelta(seconds=20)


def test_deletion_leaves_a_pin_that_is_over_as_it_was(instance: Instance) -> None:
    take_in(instance, [arrived(), action("pin", "3EB01", 10, pin_duration=WEEK)])
    pinbook.expire(START + timedelta(days=8))
    take_in(instance, [action("delete", "3EB01", 20)])
    assert story(instance)[1] == ["seen", "expired"]


def test_deletion_of_what_was_never_pinned_makes_no_pin(instance: Instance) -> None:
    take_in(instance, [arrived(), action("delete", "3EB01", 20)])
    assert not Pin.objects.exists()


@pytest.mark.parametrize("outcome", [Outcome.ACKNOWLEDGED, Outcome.UNCONFIRMED])
def test_deletion_while_a_pin_of_ours_is_under_way(instance: Instance, outcome: Outcome) -> None:
    take_in(instance, [arrived()])
    message = Message.objects.get()
    until = timezone.now() + timedelta(seconds=20)
    attempt = pinbook.open_attempt(message, Wish(WEEK), Asker("Alice"), until).attempt
    assert isinstance(attempt, UUID)
    take_in(instance, [action("delete", "3EB01", 20)])
    pinbook.settle(attempt, outcome)
    pin, kinds = story(instance)
    assert (pin.state, kinds) == (Pin.State.UNPINNED, ["asked", outcome.value, "deleted"])


def test_a_deleted_message_is_not_pinned(instance: Instance) -> None:
    take_in(instance, [arrived(), action("delete", "3EB01", 20)])
    with pytest.raises(MessageDeleted, match="message with ID 3EB01 was deleted for everyone: it cannot be pinned"):
        pins.pin(pins.find_message(instance, "3EB01"), WEEK, Asker("Alice"))
    assert not Pin.objects.exists()


def test_a_pin_ends_with_its_disappearing_message(instance: Instance) -> None:
    take_in(instance, [arrived(disappears_after=DAY), action("pin", "3EB01", 10, pin_duration=WEEK)])
    assert story(instance)[0].expires_at == START + timedelta(days=1)
    pinbook.expire(START + timedelta(days=1))
    assert story(instance)[1] == ["seen", "expired"]


def test_a_pin_shorter_than_its_message_keeps_its_own_time(instance: Instance) -> None:
    take_in(instance, [arrived(disappears_after=WEEK), action("pin", "3EB01", 10, pin_duration=DAY)])
    assert story(instance)[0].expires_at == START + timedelta(seconds=10 + DAY)


def test_a_kept_message_stays_and_its_pin_too(instance: Instance) -> None:
    take_in(instance, [arrived(disappears_after=DAY), action("pin", "3EB01", 10, pin_duration=WEEK)])
    take_in(instance, [action("keep", "3EB01", 20, data={"kept": True})])
    assert Message.objects.get(message_id="3EB01").disappears_at is None
    assert story(instance)[0].expires_at == START + timedelta(seconds=10 + WEEK)
    take_in(instance, [action("keep", "3EB01", 30, data={"kept": False})])
    assert Message.objects.get(message_id="3EB01").disappears_at == START + timedelta(days=1)
    assert story(instance)[0].expires_at == START + timedelta(days=1)


def test_every_change_of_a_pin_is_an_event(instance: Instance) -> None:
    """Also those that nobody made: its time ran out, it made room for another, its message went or was kept."""
    webhooks.add(instance, "https://crm.example.com/", ["message.pin"])
    take_in(instance, [arrived(message_id=f"3EB0{number}") for number in range(5)])
    take_in(instance, [arrived(message_id="SOON GONE", disappears_after=DAY)])
    named = {message.message_id: message for message in Message.objects.all()}
    # A chat shows three pins: the fourth puts the first away.
    for name in ("SOON GONE", "3EB00", "3EB01", "3EB02", "3EB03"):
        pinbook.seen(named[name], Wish(WEEK), actor="Bob", at=timezone.now(), stanza_id=name)
    take_in(instance, [action("keep", "SOON GONE", 20, data={"kept": True}), action("delete", "3EB01", 21)])
    pinbook.expire(timezone.now() + timedelta(days=8))
    pinbook.missed(named["3EB04"], Wish(WEEK), Asker("Alice"), "too late")
    told = [json.loads(event.body)["data"]["change"] for event in OutgoingEvent.objects.filter(kind="message.pin")]
    assert sorted(told) == sorted(PinEvent.objects.values_list("kind", flat=True))
    assert set(told) == {"seen", "replaced", "kept", "deleted", "expired", "missed"}


def test_pins_of_the_history_are_no_events(instance: Instance) -> None:
    """Was red: whoever linked a phone was told of each pin in it, as if it had just been made."""
    webhooks.add(instance, "https://crm.example.com/", ["message.pin"])
    take_in(instance, [arrived(message_id=f"3EB0{number}", disappears_after=DAY) for number in range(4)])
    now = timezone.now()
    Message.objects.update(disappears_at=now + timedelta(days=1))
    made = [replace(action("pin", f"3EB0{n}", n, pin_duration=WEEK), sent_at=now + timedelta(0, n)) for n in range(4)]
    take_in(instance, made, live=False)
    done = [action("keep", "3EB02", 20, data={"kept": True}), action("delete", "3EB03", 21)]
    take_in(instance, [*done], live=False)
    assert set(PinEvent.objects.values_list("kind", flat=True)) == {"seen", "replaced", "kept", "deleted"}
    assert not OutgoingEvent.objects.exists()
    take_in(instance, [replace(action("pin", "3EB02", 30), sent_at=now + timedelta(hours=1))])
    assert OutgoingEvent.objects.count() == 1


def test_news_of_the_historys_pins_are_for_pages_alone(
    instance: Instance, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[dict[str, Any]] = []
    monkeypatch.setattr("chats.news.service.publish", lambda uid, topic, payload: published.append(payload))
    for live in (False, True):
        pinned = action("pin", "3EB01", 10 + live, pin_duration=WEEK)
        with django_capture_on_commit_callbacks(execute=True):
            take_in(instance, [arrived(), pinned], live=live)
    assert [len(payload["events"]) for payload in published] == [0, 1]


def test_a_message_that_disappeared_is_not_pinned(instance: Instance) -> None:
    take_in(instance, [arrived(disappears_after=DAY)])
    with pytest.raises(MessageDisappeared, match="3EB01 has disappeared from the phones: it cannot be pinned"):
        pins.pin(pins.find_message(instance, "3EB01"), WEEK, Asker("Alice"))


@pytest.mark.parametrize("chat", ["status@broadcast", "120363@newsletter", "5511999990002-1@broadcast"])
def test_where_phones_know_no_pins(instance: Instance, chat: str) -> None:
    """Was red: a status' pin went to the whole address book, and was said to be done."""
    take_in(instance, [arrived(chat=Party(chat))])
    message = pins.find_message(instance, "3EB01")
    assert not message.pinnable
    with pytest.raises(NotInAConversation):
        pins.pin(message, WEEK, Asker("Alice"))
    with pytest.raises(NotInAConversation):
        pins.unpin(message, Asker("Alice"))
    assert not PinEvent.objects.exists()


# --- As the library brings it ---------------------------------------------------------


def test_the_time_of_a_disappearing_message() -> None:
    wire = Wire()
    wire.extendedTextMessage.text = "soon gone"
    assert read(wire).disappears_after == 0
    wire.extendedTextMessage.contextInfo.expiration = DAY
    assert read(wire).disappears_after == DAY


@pytest.mark.parametrize(("kind", "kept"), [(KEEP_FOR_ALL, True), (UNDO_KEEP_FOR_ALL, False)])
def test_a_message_is_kept(kind: int, kept: bool) -> None:
    wire = Wire()
    wire.keepInChatMessage.key.ID = "3EB09"
    wire.keepInChatMessage.keepType = kind
    told = read(wire)
    assert (told.kind, told.data, told.target.message_id) == ("keep", {"kept": kept}, "3EB09")


@pytest.mark.parametrize(
    ("locked", "announce", "admin", "hindrance"),
    [
        (False, False, False, None),
        (True, False, False, AdminsOnly),
        (False, True, False, AdminsWrite),
        (True, True, False, AdminsWrite),
        (True, True, True, None),
    ],
)
def test_what_a_groups_rules_say_of_our_pins(locked: bool, announce: bool, admin: bool, hindrance: type | None) -> None:
    group = pb.GroupInfo()
    group.GroupLocked.isLocked = locked
    group.GroupAnnounce.IsAnnounce = announce
    for name, is_admin in (("1001@lid", admin), ("1002@lid", True)):
        one = group.Participants.add()
        for field in (one.JID, one.LID):
            field.CopyFrom(jid(name))
        one.PhoneNumber.CopyFrom(jid(""))
        one.IsAdmin = is_admin
    assert groups.hindrance(group, {"1001@lid", ""}) is hindrance
