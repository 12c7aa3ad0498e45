"""The rules of pinning, with a stand-in for the connector: what it answers is each test's choice.

The whole path over the real wire is in tests/e2e.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from unittest import mock
from uuid import UUID

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from chats import pinbook, pins
from chats.errands import batch
from chats.errors import InvalidDuration, MessageAmbiguous, MessageNotFound
from chats.models import Chat, Message, Pin, PinEvent
from chats.pinbook import Asker, Outcome, Wish
from instances.models import Account, Instance
from instances.whatsapp.commands import PinOrder
from instances.whatsapp.errors import Busy, NotConfirmed, NotConnected, Refused, WhatsAppError

DAY, WEEK = 86_400, 604_800
ALICE = Asker("Alice")
BOB_JID = "5511999999999@s.whatsapp.net"


class Owner:
    """Takes the connector's place: counts orders, records acknowledgements, or fails as told."""

    def __init__(self) -> None:
        self.orders: list[PinOrder] = []
        self.error: WhatsAppError | None = None
        self.before_answer: Callable[[PinOrder], None] = lambda _: None

    def send_pin(self, _: Instance, order: PinOrder) -> None:
        self.orders.append(order)
        self.before_answer(order)
        if self.error is not None:
            raise self.error
        pinbook.settle(UUID(order.attempt), Outcome.ACKNOWLEDGED, at=timezone.now(), stanza_id="3EB0AA")


@pytest.fixture
def owner(monkeypatch: pytest.MonkeyPatch) -> Owner:
    stand_in = Owner()
    monkeypatch.setattr("chats.pins.service.send_pin", stand_in.send_pin)
    return stand_in


@pytest.fixture
def instance(db: None) -> Instance:
    return Instance.objects.create(account=Account.objects.create(name="Alice"), name="shop", epoch=7)


@pytest.fixture
def message(instance: Instance) -> Message:
    return make_message(instance, "3EB01")


def make_message(instance: Instance, message_id: str, chat_jid: str = BOB_JID, **fields: object) -> Message:
    kind = Chat.Kind.GROUP if chat_jid.endswith("@g.us") else Chat.Kind.DIRECT
    chat, _ = Chat.objects.get_or_create(instance=instance, jid=chat_jid, defaults={"kind": kind})
    values: dict[str, object] = {
        "sender": BOB_JID,
        "from_me": False,
        "sent_at": datetime(2026, 2, 16, 18, 32, 39, tzinfo=UTC),
        "kind": Message.Kind.TEXT,
        "text": "Rua das Flores 12",
        "wire_chat": "10015838@lid" if kind == Chat.Kind.DIRECT else chat_jid,
        "wire_sender": "10015838@lid",
    }
    return Message.objects.create(instance=instance, chat=chat, message_id=message_id, **{**values, **fields})


def pin(message: Message, duration: int, asker: Asker) -> Pin:
    """Pin, and read what is recorded."""
    pins.pin(message, duration, asker)
    return Pin.objects.get(message=message)


def unpin(message: Message, asker: Asker) -> Pin:
    """Unpin, and read what is recorded."""
    pins.unpin(message, asker)
    return Pin.objects.get(message=message)


def history(message: Message) -> list[str]:
    return [event.kind for event in PinEvent.objects.filter(pin__message=message)]


def later(monkeypatch: pytest.MonkeyPatch, **delta: float) -> None:
    moment = timezone.now() + timedelta(**delta)
    monkeypatch.setattr("django.utils.timezone.now", lambda: moment)


def test_it_works(owner: Owner, message: Message) -> None:
    made = pin(message, WEEK, ALICE)
    assert (made.state, made.duration, made.actor) == (Pin.State.PINNED, WEEK, "Alice")
    assert made.pinned_at is not None
    assert made.expires_at == made.pinned_at + timedelta(days=7)
    assert history(message) == ["asked", "acknowledged"]


# --- What goes over the wire --------------------------------------------------


def test_the_order_names_chat_and_message_as_the_wire_did(owner: Owner, message: Message) -> None:
    pin(message, DAY, ALICE)
    (order,) = owner.orders
    assert (order.chat, order.message_id, order.from_me) == ("10015838@lid", "3EB01", False)
    assert order.participant is None, "a direct chat's key has no participant"
    assert (order.duration, order.epoch) == (DAY, 7)


def test_the_order_names_the_author_in_a_group(owner: Owner, instance: Instance) -> None:
    pin(make_message(instance, "3EB02", "1203630@g.us"), DAY, ALICE)
    assert owner.orders[0].participant == "10015838@lid"


def test_the_order_of_an_unpin_has_no_duration(owner: Owner, message: Message) -> None:
    made = unpin(message, ALICE)
    assert owner.orders[0].duration is None
    assert (made.state, made.duration, made.expires_at) == (Pin.State.UNPINNED, None, None)


@pytest.mark.parametrize(("text", "seconds"), [("24h", 86_400), ("7d", 604_800), ("30d", 2_592_000)])
def test_durations(text: str, seconds: int) -> None:
    assert pins.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "1h", "7D", " 7d", "604800"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(InvalidDuration, match=f'invalid duration "{text}": use "24h", "7d" or "30d"'):
        pins.parse_duration(text)


# --- Idempotence ----------------------------------------------------------------


def test_a_retry_sends_nothing(owner: Owner, message: Message) -> None:
    first = pin(message, WEEK, ALICE)
    again = pin(message, WEEK, ALICE)
    assert (len(owner.orders), again.expires_at) == (1, first.expires_at)


def test_another_duration_is_a_renewal(owner: Owner, message: Message) -> None:
    pin(message, WEEK, ALICE)
    assert pin(message, DAY, ALICE).duration == DAY
    assert len(owner.orders) == 2


@pytest.mark.parametrize(("seconds", "sent"), [(59, 1), (61, 2)])
def test_after_a_minute_it_is_a_renewal(
    owner: Owner, message: Message, monkeypatch: pytest.MonkeyPatch, seconds: int, sent: int
) -> None:
    first = pin(message, WEEK, ALICE)
    later(monkeypatch, seconds=seconds)
    again = pin(message, WEEK, ALICE)
    assert len(owner.orders) == sent
    assert first.expires_at is not None
    assert again.expires_at is not None
    assert (again.expires_at > first.expires_at) is (sent == 2)


def test_retries_do_not_extend_the_minute(owner: Owner, message: Message, monkeypatch: pytest.MonkeyPatch) -> None:
    pin(message, WEEK, ALICE)
    later(monkeypatch, seconds=40)
    pin(message, WEEK, ALICE)
    later(monkeypatch, seconds=40)
    pin(message, WEEK, ALICE)
    assert len(owner.orders) == 2


def test_a_second_unpin_sends_nothing(owner: Owner, message: Message) -> None:
    unpin(message, ALICE)
    unpin(message, ALICE)
    assert len(owner.orders) == 1


def test_pin_unpin_pin_sends_three(owner: Owner, message: Message) -> None:
    for _ in range(2):
        pin(message, WEEK, ALICE)
        unpin(message, ALICE)
    assert len(owner.orders) == 4


def test_a_contacts_pin_is_no_retry_of_ours(owner: Owner, message: Message) -> None:
    pinbook.seen(message, Wish(WEEK), actor=BOB_JID, at=timezone.now(), stanza_id="3EB0CC")
    pin(message, WEEK, ALICE)
    assert len(owner.orders) == 1


def test_a_contacts_unpin_makes_our_retry_a_pin_again(owner: Owner, message: Message) -> None:
    pin(message, WEEK, ALICE)
    pinbook.seen(message, Wish(None), actor=BOB_JID, at=timezone.now(), stanza_id="3EB0CC")
    assert pin(message, WEEK, ALICE).state == Pin.State.PINNED
    assert len(owner.orders) == 2


# --- Failures -------------------------------------------------------------------


@pytest.mark.parametrize("error", [NotConnected(), Busy(), Refused("error 479")])
def test_a_first_pin_that_was_not_sent_has_failed(owner: Owner, message: Message, error: WhatsAppError) -> None:
    owner.error = error
    with pytest.raises(type(error)):
        pin(message, WEEK, ALICE)
    found = Pin.objects.get(message=message)
    assert (found.state, found.attempt) == (Pin.State.FAILED, None)


def test_no_acknowledgement_is_unknown_never_pinned(owner: Owner, message: Message) -> None:
    owner.error = NotConfirmed()
    with pytest.raises(NotConfirmed):
        pin(message, WEEK, ALICE)
    assert Pin.objects.get(message=message).state == Pin.State.UNKNOWN
    assert history(message) == ["asked", "unconfirmed"]


def test_a_renewal_that_failed_leaves_the_pin_and_is_sent_again(owner: Owner, message: Message) -> None:
    first = pin(message, WEEK, ALICE)
    owner.error = NotConnected()
    with pytest.raises(NotConnected):
        pin(message, DAY, ALICE)
    found = Pin.objects.get(message=message)
    assert (found.state, found.expires_at) == (Pin.State.PINNED, first.expires_at)
    owner.error = None
    assert pin(message, DAY, ALICE).duration == DAY


def test_an_unpin_that_failed_leaves_the_pin(owner: Owner, message: Message) -> None:
    pin(message, WEEK, ALICE)
    owner.error = NotConnected()
    with pytest.raises(NotConnected):
        unpin(message, ALICE)
    assert Pin.objects.get(message=message).state == Pin.State.PINNED


def test_after_a_failure_the_same_request_is_sent(owner: Owner, message: Message) -> None:
    owner.error = NotConfirmed()
    with pytest.raises(NotConfirmed):
        pin(message, WEEK, ALICE)
    owner.error = None
    assert pin(message, WEEK, ALICE).state == Pin.State.PINNED


def test_a_fault_of_ours_closes_the_attempt(owner: Owner, message: Message) -> None:
    def fault(_: PinOrder) -> None:
        raise MemoryError

    owner.before_answer = fault
    with pytest.raises(MemoryError):
        pin(message, WEEK, ALICE)
    assert Pin.objects.get(message=message).state == Pin.State.UNKNOWN


@pytest.mark.parametrize("away", [OperationalError, InterfaceError])
@pytest.mark.parametrize("heard", [NotConfirmed, MemoryError])
def test_the_database_is_away_when_nobody_knows(
    owner: Owner, message: Message, monkeypatch: pytest.MonkeyPatch, heard: type[Exception], away: type[Exception]
) -> None:
    """Was red: its error hid that the pin may be on the phones, and says of itself that nothing was sent."""

    def fault(_: PinOrder) -> None:
        raise heard

    owner.before_answer = fault
    with mock.patch.object(pinbook, "settle", side_effect=away), pytest.raises(heard):
        pin(message, WEEK, ALICE)
    later(monkeypatch, minutes=2)
    assert pinbook.give_up_stale() == 1
    assert Pin.objects.get(message=message).state == Pin.State.UNKNOWN


def _acknowledge(order: PinOrder) -> None:
    pinbook.settle(UUID(order.attempt), Outcome.ACKNOWLEDGED)


def test_the_record_wins_over_a_lost_reply(owner: Owner, message: Message) -> None:
    """The connector recorded the acknowledgement, but its reply did not reach us in time."""
    owner.before_answer = _acknowledge
    owner.error = NotConfirmed()
    assert pin(message, WEEK, ALICE).state == Pin.State.PINNED


# --- Late news --------------------------------------------------------------------


def unconfirmed_attempt(owner: Owner, message: Message) -> UUID:
    owner.error = NotConfirmed()
    with pytest.raises(NotConfirmed):
        pin(message, WEEK, ALICE)
    owner.error = None
    return UUID(owner.orders[-1].attempt)


def test_a_late_acknowledgement_settles_the_unknown(owner: Owner, message: Message) -> None:
    attempt = unconfirmed_attempt(owner, message)
    assert pinbook.settle(attempt, Outcome.ACKNOWLEDGED, stanza_id="3EB0DD")
    assert Pin.objects.get(message=message).state == Pin.State.PINNED
    assert history(message) == ["asked", "unconfirmed", "acknowledged"]


def test_a_late_refusal_settles_the_unknown(owner: Owner, message: Message) -> None:
    assert pinbook.settle(unconfirmed_attempt(owner, message), Outcome.REFUSED, detail="error 479")
    assert Pin.objects.get(message=message).state == Pin.State.FAILED


def test_a_late_acknowledgement_does_not_undo_what_came_after(owner: Owner, message: Message) -> None:
    attempt = unconfirmed_attempt(owner, message)
    unpin(message, ALICE)
    pinbook.settle(attempt, Outcome.ACKNOWLEDGED)
    assert Pin.objects.get(message=message).state == Pin.State.UNPINNED


def test_an_attempt_is_settled_once(owner: Owner, message: Message) -> None:
    pin(message, WEEK, ALICE)
    attempt = UUID(owner.orders[0].attempt)
    assert not pinbook.settle(attempt, Outcome.REFUSED)
    assert not pinbook.settle(attempt, Outcome.UNCONFIRMED)
    assert Pin.objects.get(message=message).state == Pin.State.PINNED
    assert history(message) == ["asked", "acknowledged"]


def test_an_attempt_whose_processes_died_is_given_up(message: Message) -> None:
    pinbook.open_attempt(message, Wish(WEEK), ALICE, timezone.now() - timedelta(seconds=1))
    assert pinbook.give_up_stale() == 1
    assert Pin.objects.get(message=message).state == Pin.State.UNKNOWN


def test_an_attempt_under_way_is_not_given_up(message: Message) -> None:
    pinbook.open_attempt(message, Wish(WEEK), ALICE, timezone.now() + timedelta(seconds=5))
    assert pinbook.give_up_stale() == 0


# --- Made by others -----------------------------------------------------------------


def test_an_unpin_within_the_second_of_our_pin_counts(owner: Owner, message: Message) -> None:
    """WhatsApp tells whole seconds: what arrives after the acknowledgement looks older than it, and is not."""
    pins.pin(message, WEEK, ALICE)
    second = Pin.objects.get().changed_at.replace(microsecond=0)
    pinbook.seen(message, Wish(None), actor=BOB_JID, at=second, stanza_id="3EB0B")
    assert (Pin.objects.get().state, Pin.objects.get().actor) == (Pin.State.UNPINNED, BOB_JID)
    pinbook.seen(message, Wish(DAY), actor=BOB_JID, at=second - timedelta(seconds=1), stanza_id="3EB0C")
    assert Pin.objects.get().state == Pin.State.UNPINNED, "news from before"


def test_a_contacts_pin_and_unpin_are_seen(message: Message) -> None:
    now = timezone.now()
    pinbook.seen(message, Wish(DAY), actor=BOB_JID, at=now, stanza_id="3EB0A")
    found = Pin.objects.get(message=message)
    assert (found.state, found.actor, found.expires_at) == (Pin.State.PINNED, BOB_JID, now + timedelta(days=1))
    pinbook.seen(message, Wish(None), actor=BOB_JID, at=now + timedelta(seconds=5), stanza_id="3EB0B")
    assert Pin.objects.get(message=message).state == Pin.State.UNPINNED


def test_old_news_change_nothing_but_the_history(owner: Owner, message: Message) -> None:
    pin(message, WEEK, ALICE)
    pinbook.seen(message, Wish(None), actor=BOB_JID, at=timezone.now() - timedelta(hours=1), stanza_id="3EB0A")
    assert Pin.objects.get(message=message).state == Pin.State.PINNED
    assert history(message)[-1] == "seen"


# --- Time and place -------------------------------------------------------------------


def test_a_pin_expires(owner: Owner, message: Message) -> None:
    made = pin(message, DAY, ALICE)
    assert made.expires_at is not None
    assert pinbook.expire(made.expires_at - timedelta(seconds=1)) == 0
    assert pinbook.expire(made.expires_at) == 1
    assert Pin.objects.get(message=message).state == Pin.State.EXPIRED
    assert history(message)[-1] == "expired"
    assert pinbook.expire(made.expires_at) == 0


def test_a_fourth_pin_of_a_chat_replaces_the_oldest(owner: Owner, instance: Instance) -> None:
    messages = [make_message(instance, f"3EB{number}") for number in range(4)]
    elsewhere = make_message(instance, "3EBX", "551188@s.whatsapp.net")
    for message in [elsewhere, *messages]:
        pin(message, WEEK, ALICE)
    states = [Pin.objects.get(message=message).state for message in messages]
    assert states == [Pin.State.REPLACED, *[Pin.State.PINNED] * 3]
    assert Pin.objects.get(message=elsewhere).state == Pin.State.PINNED


def test_a_renewal_takes_no_place(owner: Owner, instance: Instance) -> None:
    messages = [make_message(instance, f"3EB{number}") for number in range(3)]
    for message in [*messages, messages[0]]:
        pin(message, WEEK if message != messages[0] or not owner.orders else DAY, ALICE)
    assert {each.state for each in Pin.objects.all()} == {Pin.State.PINNED}


def test_the_history_is_append_only(owner: Owner, message: Message) -> None:
    pin(message, WEEK, ALICE)
    event = PinEvent.objects.latest("pk")
    with pytest.raises(TypeError, match="append-only"):
        event.save()
    with pytest.raises(TypeError, match="append-only"):
        event.delete()


# --- Finding the message ----------------------------------------------------------------


def test_a_message_of_another_instance_is_not_found(instance: Instance) -> None:
    other = Instance.objects.create(account=instance.account, name="desk")
    make_message(other, "3EB01")
    with pytest.raises(MessageNotFound, match="message with ID 3EB01 not found"):
        pins.find_message(instance, "3EB01")


def test_an_id_in_two_chats_needs_the_chat(instance: Instance) -> None:
    make_message(instance, "3EB01")
    other = make_message(instance, "3EB01", "1203630@g.us")
    with pytest.raises(MessageAmbiguous, match="exists in more than one chat: send chatJid"):
        pins.find_message(instance, "3EB01")
    assert pins.find_message(instance, "3EB01", "1203630@g.us") == other


def test_an_id_that_was_used_again_in_its_chat(instance: Instance) -> None:
    """Whoever writes chooses the id: a copy takes nobody's message away, whenever it comes here."""
    group = "1203630@g.us"
    later = timezone.now()
    make_message(instance, "3EB01", group, sender="mallory@lid", sent_at=later)
    first = make_message(instance, "3EB01", group, sender="ana@lid", sent_at=later - timedelta(hours=1))
    assert pins.find_message(instance, "3EB01") == first
    assert pins.find_message(instance, "3EB01", group) == first
    for number in range(30):
        make_message(instance, "3EB01", group, sender=f"{number}@lid", sent_at=later)
    assert pins.find_message(instance, "3EB01") == first
    assert [wanted.message for wanted in batch.find_all(instance, ["3EB01"])] == [first]


def test_a_chat_is_found_by_its_lid_too(instance: Instance, message: Message) -> None:
    Chat.objects.update(lid="10015838@lid")
    assert pins.find_message(instance, "3EB01", "10015838@lid") == message
    with pytest.raises(MessageNotFound):
        pins.find_message(instance, "3EB01", "10099999@lid")


def test_a_reaction_is_no_message_to_pin(instance: Instance) -> None:
    make_message(instance, "3EB05", kind=Message.Kind.REACTION)
    with pytest.raises(MessageNotFound):
        pins.find_message(instance, "3EB05")


# --- Two at once ----------------------------------------------------------------------------


@pytest.fixture
def slow_owner(owner: Owner) -> Owner:
    owner.before_answer = lambda _: time.sleep(0.3)
    return owner


def at_once(*calls: Callable[[], Pin]) -> list[object]:
    """Run the calls at the same moment; returns what each returned or raised."""
    outcomes: list[object] = [None] * len(calls)
    start = threading.Barrier(len(calls))

    def run(number: int, call: Callable[[], Pin]) -> None:
        start.wait()
        try:
            outcomes[number] = call().state
        except Exception as error:
            outcomes[number] = type(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    """Real threads, real connections."""

    def test_the_same_wish_sends_one_stanza(self, slow_owner: Owner, message: Message) -> None:
        outcomes = at_once(*[lambda: pin(message, WEEK, ALICE)] * 5)
        assert outcomes == [Pin.State.PINNED] * 5
        assert len(slow_owner.orders) == 1

    def test_both_hear_the_failure(self, slow_owner: Owner, message: Message) -> None:
        slow_owner.error = NotConfirmed()
        assert at_once(*[lambda: pin(message, WEEK, ALICE)] * 2) == [NotConfirmed] * 2
        assert len(slow_owner.orders) == 1

    def test_both_hear_the_refusal(self, slow_owner: Owner, message: Message) -> None:
        slow_owner.error = Refused("error 479")
        assert at_once(*[lambda: pin(message, WEEK, ALICE)] * 2) == [Refused] * 2

    def test_different_wishes_go_one_after_the_other(self, slow_owner: Owner, message: Message) -> None:
        outcomes = at_once(lambda: pin(message, WEEK, ALICE), lambda: unpin(message, ALICE))
        # Each looks at the pin after its own wish: by then the other's may be done as well.
        assert set(outcomes) <= {Pin.State.PINNED, Pin.State.UNPINNED}
        first, second = slow_owner.orders
        assert {first.duration, second.duration} == {WEEK, None}
        assert Pin.objects.get().state == (Pin.State.PINNED if second.duration else Pin.State.UNPINNED)
        assert history(message) == ["asked", "acknowledged"] * 2

    def test_pins_of_one_chat_at_once_do_not_deadlock(self, slow_owner: Owner, instance: Instance) -> None:
        messages = [make_message(instance, f"3EB{number}") for number in range(5)]
        outcomes = at_once(*[lambda message=message: pin(message, WEEK, ALICE) for message in messages])
        # By the time it is looked at, a pin may have lost its place already.
        assert set(outcomes) <= {Pin.State.PINNED, Pin.State.REPLACED}
        assert Pin.objects.filter(state=Pin.State.PINNED).count() == 3
