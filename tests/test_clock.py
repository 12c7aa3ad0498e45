"""A clock that somebody sets while the portal runs: nothing hangs, nothing is lost, nothing is taken for done."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.conf import settings
from django.utils import timezone

from chats import pinbook, pins
from chats.errands import runner as batches
from chats.models import Batch, Message, Pin, PinEvent, Rule, RuleHit, Schedule
from chats.pinbook import Asker, Wish
from chats.rules import notice
from chats.rules import runner as rules
from chats.schedule import loop, runner, wish
from chats.search import retention
from instances.events import book, webhooks
from instances.events.models import Delivery, OutgoingEvent, Webhook
from instances.models import Account, Instance, Token
from instances.states import State as Connection
from instances.whatsapp import commands, housekeeping
from instances.whatsapp.commands import PinOrder
from instances.whatsapp.errors import NotConfirmed
from portal import clock
from portal.clock import A_DAY, A_WHILE, Watch
from portal.models import KeptAnswer
from portal.rest import idempotency
from portal.rest.errors import ApiError
from tests.test_pins import BOB_JID, Owner, make_message, owner  # noqa: F401
from tests.test_schedule import run_due

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY, YEARS = timedelta(days=1), timedelta(days=5 * 365)
Set = Callable[[timedelta], datetime]


class Machine:
    """A machine whose clock can be set; time passes by `wait`."""

    def __init__(self) -> None:
        self.wall, self.steady = NOW.timestamp(), 1000.0
        self.watch = Watch(lambda: self.wall, lambda: self.steady)

    def set(self, by: timedelta) -> None:
        self.wall += by.total_seconds()

    def wait(self, time: timedelta) -> None:
        self.wall += time.total_seconds()
        self.steady += time.total_seconds()

    @property
    def doubted(self) -> tuple[bool, bool]:
        return self.watch.doubted(A_WHILE), self.watch.doubted(A_DAY)


@pytest.fixture
def set_by(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Sets the clock that stored times are of; it begins at noon."""
    at = [NOW]

    def move(by: timedelta) -> datetime:
        at[0] += by
        monkeypatch.setattr("django.utils.timezone.now", lambda: at[0])
        return at[0]

    move(timedelta())
    return move


@pytest.fixture
def leapt(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The machine all of the portal runs on, whose clock has just leapt ahead."""
    machine = Machine()
    machine.set(YEARS)
    monkeypatch.setattr(clock, "doubted", machine.watch.doubted)
    return machine


@pytest.fixture
def instance(db: None) -> Instance:
    account = Account.objects.create(name="Alice")
    return Instance.objects.create(account=account, name="shop", state=Connection.CONNECTED)


# --- Noticing ---------------------------------------------------------------


def test_a_leap_ahead_is_in_doubt_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    machine.wait(DAY)
    assert machine.doubted == (False, False)
    with caplog.at_level(logging.WARNING):
        machine.set(YEARS)
        assert machine.doubted == (True, True)
        assert machine.doubted == (True, True)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "leapt ahead by 1825 days" in caplog.text
    machine.wait(A_WHILE)
    assert machine.doubted == (False, True)
    machine.wait(A_DAY)
    assert machine.doubted == (False, False)


@pytest.mark.parametrize("by", [DAY, YEARS, -DAY, -YEARS])
def test_a_clock_that_is_put_right_is_believed_at_once(by: timedelta) -> None:
    machine = Machine()
    machine.set(by)
    assert machine.doubted == (by > timedelta(), by > timedelta())
    machine.wait(timedelta(minutes=5))
    machine.set(-by)
    assert machine.doubted == (False, False)
    machine.wait(2 * A_DAY)
    machine.set(DAY)
    assert machine.doubted == (True, True), "the next one is another leap"


def test_what_is_no_leap() -> None:
    machine = Machine()
    for _ in range(10_000):
        machine.wait(timedelta(seconds=10))
        machine.set(timedelta(milliseconds=500))  # Put right bit by bit; more than a minute in all.
        assert machine.doubted == (False, False)


def test_half_a_correction_is_none() -> None:
    machine = Machine()
    machine.set(YEARS)
    assert machine.doubted == (True, True)
    machine.set(-DAY)
    assert machine.doubted == (True, True)


# --- Orders and attempts --------------------------------------------------------


def order(seconds: float) -> PinOrder:
    return PinOrder(
        deadline=time.time() + seconds, epoch=1, attempt=uuid4().hex, chat=BOB_JID, message_id="3EB01", from_me=False,
        participant=None, duration=86_400,
    )  # fmt: skip


@pytest.mark.parametrize("by", [-DAY, -YEARS])
def test_an_order_never_has_longer_than_its_caller_waits(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    made, real = order(5), time.time
    monkeypatch.setattr(time, "time", lambda: real() + by.total_seconds())
    assert 0 < made.seconds_left <= 5
    received = PinOrder(**made.to_payload())
    assert 0 < received.seconds_left <= settings.ACK_TIMEOUT.total_seconds()
    monkeypatch.setattr(commands, "steady", lambda: clock.steady() + 6)
    assert made.seconds_left < 0


def test_an_order_of_before_a_leap_ahead_is_not_carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    made, real = order(5), time.time
    monkeypatch.setattr(time, "time", lambda: real() + DAY.total_seconds())
    assert made.seconds_left < 0


def test_who_waits_for_another_caller_does_not_wait_for_a_day(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = make_message(instance, "3EB01")
    opened = pinbook.open_attempt(message, Wish(86_400), Asker("Alice"), timezone.now() + timedelta(seconds=10))
    real = timezone.now
    monkeypatch.setattr("django.utils.timezone.now", lambda: real() - timedelta(minutes=5))
    assert opened.attempt is not None
    with pytest.raises(NotConfirmed):
        pins._await_other(opened.attempt, clock.steady() + 0.2)


def test_an_attempt_of_the_dead_is_given_up(instance: Instance, set_by: Set) -> None:
    message = make_message(instance, "3EB01")
    pinbook.open_attempt(message, Wish(86_400), Asker("Alice"), NOW + timedelta(seconds=10))
    set_by(-DAY)
    again = pinbook.open_attempt(message, Wish(86_400), Asker("Bob"), NOW - DAY + timedelta(seconds=10))
    assert again.ours
    set_by(-DAY)
    assert pinbook.give_up_stale() == 1
    assert Pin.objects.get().state == Pin.State.UNKNOWN


def test_a_pin_of_before_is_no_retry(owner: Owner, instance: Instance, set_by: Set) -> None:  # noqa: F811
    message = make_message(instance, "3EB01")
    pins.pin(message, 86_400, Asker("Alice"))
    set_by(-DAY)
    pins.pin(message, 86_400, Asker("Alice"))
    assert len(owner.orders) == 2, "said to be done, and not done"


# --- What the worker does ----------------------------------------------------------


def test_a_claim_of_the_dead(instance: Instance, owner: Owner, set_by: Set) -> None:  # noqa: F811
    message = make_message(instance, "3EB01")
    schedule = wish.make(message, wish.Wanted(pin_at=NOW + timedelta(minutes=1), duration=86_400), Asker("Alice"))
    set_by(timedelta(minutes=2))
    Schedule.objects.update(claimed_until=NOW + timedelta(minutes=2, seconds=30), attempt=uuid4())
    assert run_due() == 0
    set_by(-DAY)
    Schedule.objects.update(due_at=NOW - DAY, try_at=NOW - DAY)
    assert run_due() == 1
    schedule.refresh_from_db()
    assert schedule.state == Schedule.State.DONE


def test_what_was_put_off_is_not_put_off_by_a_day(instance: Instance, owner: Owner, set_by: Set) -> None:  # noqa: F811
    schedule = wish.make(make_message(instance, "3EB01"), wish.Wanted(pin_at=NOW, duration=86_400), Asker("Alice"))
    Schedule.objects.update(due_at=NOW - DAY, try_at=NOW + timedelta(seconds=5))
    set_by(-DAY)
    assert run_due() == 1
    schedule.refresh_from_db()
    assert schedule.state == Schedule.State.DONE


def test_what_repeats_comes_back_from_the_future(instance: Instance, owner: Owner, set_by: Set) -> None:  # noqa: F811
    message = make_message(instance, "3EB01")
    schedule = wish.make(message, wish.Wanted(repeat="0 9 * * *", duration=86_400), Asker("Alice"))
    first = schedule.due_at
    assert runner.mend() == 0
    set_by(YEARS)
    assert run_due() == 1
    set_by(-YEARS)
    assert runner.mend() == 1
    schedule.refresh_from_db()
    assert schedule.due_at == schedule.try_at == first


def test_nothing_planned_goes_out_on_a_leap(instance: Instance, leapt: Machine, set_by: Set) -> None:
    message = make_message(instance, "3EB01")
    wish.make(message, wish.Wanted(pin_at=NOW + timedelta(hours=1), duration=86_400), Asker("Alice"))
    set_by(YEARS)
    assert loop._due_instances() == set()
    leapt.wait(A_WHILE)
    assert loop._due_instances() == {instance.pk}


def test_a_batch_and_what_a_rule_found_go_on(instance: Instance, set_by: Set) -> None:
    batch = Batch.objects.create(instance=instance, action=Batch.Action.PIN, digest="0", actor="Alice", try_at=NOW)
    rule = Rule.objects.create(instance=instance, name="r", active=True, duration=86_400, since=NOW, an_hour=1)
    message = make_message(instance, "3EB01")
    RuleHit.objects.create(rule=rule, instance=instance, message=message, found_at=NOW, try_at=NOW)
    now = set_by(-DAY)
    assert batches.due_instances(now) == [instance.pk]
    assert rules.due_instances(now) == [instance.pk]
    assert not clock.ahead(batch.try_at, now, timedelta(seconds=5))
    assert notice.used_in_hour(rule, now) == 0, "its limit would be reached for a day"


def test_a_rule_of_the_future_works(instance: Instance, set_by: Set, monkeypatch: pytest.MonkeyPatch) -> None:
    Rule.objects.create(instance=instance, name="r", active=True, duration=86_400, since=NOW, an_hour=9)
    monkeypatch.setattr("chats.rules.match.Pattern.fits", lambda *_: True)
    message = make_message(instance, "3EB01", sent_at=NOW - DAY)
    notice.notice(instance, [message])
    assert not RuleHit.objects.exists()
    set_by(-DAY)
    notice.notice(instance, [message])
    assert RuleHit.objects.count() == 1


# --- Webhooks ----------------------------------------------------------------------


@pytest.fixture
def hook(instance: Instance, set_by: Set) -> Webhook:
    made, _ = webhooks.add(instance, "https://example.com/", ["message.pin"])
    Webhook.objects.update(created_at=NOW)
    return made


def event(instance: Instance, at: datetime) -> OutgoingEvent:
    return OutgoingEvent.objects.create(instance=instance, uid=uuid4(), kind="message.pin", at=at, body="{}")


def test_a_webhook_of_the_future_hears_of_today(instance: Instance, hook: Webhook, set_by: Set) -> None:
    now = set_by(-DAY)
    event(instance, now)
    assert book.hand_out() == {hook.uid}


def test_a_delivery_does_not_wait_for_a_day(instance: Instance, hook: Webhook, set_by: Set) -> None:
    event(instance, NOW)
    book.hand_out()
    Webhook.objects.update(resting_until=NOW + timedelta(minutes=10))
    assert book.due_webhooks() == set()
    set_by(-DAY)
    assert book.due_webhooks() == {hook.uid}
    assert len(book.due(hook.uid, 10)) == 1
    assert not Webhook.objects.get().resting
    assert book.lag() == 0


def test_a_leap_gives_nothing_up(instance: Instance, hook: Webhook, set_by: Set, leapt: Machine) -> None:
    event(instance, NOW)
    book.hand_out()
    set_by(YEARS)
    assert book.give_up() == 0
    book.note(book.due(hook.uid, 1)[0], book.Outcome(500, 1))
    assert Delivery.objects.get().state == Delivery.State.PENDING
    Delivery.objects.update(settled_at=NOW)
    assert book.forget_old() == 0
    leapt.wait(A_DAY)
    assert book.give_up() == 1
    Delivery.objects.update(settled_at=NOW)
    assert book.forget_old() == 1


# --- What is kept for a time ------------------------------------------------------------


def test_a_leap_forgets_no_messages(instance: Instance, leapt: Machine, set_by: Set) -> None:
    Instance.objects.update(keep_days=30)
    pinned = make_message(instance, "3EB01", sent_at=NOW)
    pinbook.seen(pinned, Wish(86_400), actor="Bob", at=NOW, stanza_id="3EB0A")
    set_by(YEARS)
    make_message(instance, "3EB02", sent_at=timezone.now())
    housekeeping.run(600)
    assert Message.objects.count() == 2
    assert Pin.objects.get().state == Pin.State.PINNED
    leapt.wait(A_WHILE)
    housekeeping.run(600)
    assert Message.objects.count() == 2
    assert Pin.objects.get().state == Pin.State.EXPIRED
    leapt.wait(A_DAY)
    housekeeping.run(600)
    assert [message.message_id for message in Message.objects.all()] == ["3EB02"]


def test_a_machine_that_starts_with_a_wrong_clock_forgets_nothing_for_a_day(
    instance: Instance, set_by: Set, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Instance.objects.update(keep_days=30)
    make_message(instance, "3EB01", sent_at=NOW)
    monkeypatch.setattr(retention, "_told", [])
    set_by(YEARS)
    with caplog.at_level(logging.WARNING):
        assert retention.forget_in_time() == retention.forget_in_time() == 0
    assert [record.message.split(".")[0] for record in caplog.records] == [
        "it is 2031-11-23 by this machine's clock, and the newest messages are of 2026-11-24"
    ]
    monkeypatch.setattr(retention, "_STARTED_AT", clock.steady() - A_DAY.total_seconds() - 1)
    assert retention.forget_in_time() == 1


def test_an_idempotency_key(instance: Instance, set_by: Set, leapt: Machine) -> None:
    token = Token.objects.create(account=instance.account, digest="0", prefix="wap_0")
    kept = KeptAnswer.objects.create(token=token, key="k", request="r", made_at=NOW, until=NOW + idempotency.LONGEST)
    set_by(YEARS)
    assert housekeeping.forget_keys() == 0
    set_by(-YEARS - DAY)
    # It was under way when its process died: in a day nobody would be let in.
    idempotency._answer_again(kept, "r", repeatable=True)
    set_by(DAY)
    with pytest.raises(ApiError, match="under way"):
        idempotency._answer_again(kept, "r", repeatable=True)


def test_the_history_of_a_pin_keeps_its_order(owner: Owner, instance: Instance, set_by: Set) -> None:  # noqa: F811
    message = make_message(instance, "3EB01")
    pins.pin(message, 86_400, Asker("Alice"))
    set_by(-DAY)
    pins.unpin(message, Asker("Alice"))
    kinds = [line.kind for line in PinEvent.objects.order_by("pk")]
    assert kinds == ["asked", "acknowledged", "asked", "acknowledged"]
    assert Pin.objects.get().state == Pin.State.UNPINNED
