"""Pins for later and pins that stay: what comes when, and each step once, with a stand-in for the connector.

The clock is the test's: `at` moves it, for the rules and for what is recorded.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from chats import pinbook, pins
from chats.claims import claim
from chats.errors import MessageDeleted
from chats.models import LostSchedule, Message, Pin, PinEvent, Schedule
from chats.pinbook import Asker, Wish
from chats.schedule import losing, runner, steps, wish
from chats.schedule.wish import Fault, InvalidSchedule, ScheduleOver, Wanted
from chats.search.retention import forget_old
from instances.events import webhooks
from instances.events.models import OutgoingEvent
from instances.models import Account, Instance
from instances.states import State as Connection
from instances.whatsapp.errors import AdminsOnly, NotConfirmed, NotConnected
from portal.models import AuditLine
from tests.test_pins import Owner, history, make_message, owner  # noqa: F401

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SECONDS = {"24h": 86_400, "7d": 604_800, "30d": 2_592_000}
ALICE = Asker("Alice")
At = Callable[[datetime], datetime]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> At:
    """Moves the clock; it begins at noon."""

    def move(moment: datetime) -> datetime:
        monkeypatch.setattr("django.utils.timezone.now", lambda: moment)
        return moment

    move(NOW)
    return move


@pytest.fixture
def message(db: None) -> Message:
    account = Account.objects.create(name="Alice")
    instance = Instance.objects.create(account=account, name="shop", state=Connection.CONNECTED)
    return make_message(instance, "3EB01")


def run_due(now: datetime | None = None) -> int:
    """All that is due, one after the other; how many steps were taken."""
    now = now or timezone.now()
    return sum(runner.run_instance(instance, now) for instance in runner.due_instances(now))


def run(now: datetime, at: At) -> int:
    return run_due(at(now))


def row(schedule: Schedule) -> Schedule:
    schedule.refresh_from_db()
    return schedule


def times(owner: Owner) -> list[int | None]:  # noqa: F811
    return [order.duration for order in owner.orders]


def test_it_works(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    schedule = wish.make(message, Wanted(pin_at=NOW + HOUR, duration=SECONDS["7d"]), ALICE)
    assert run(NOW + HOUR - timedelta(seconds=1), at) == 0
    assert run(NOW + HOUR, at) == 1
    assert times(owner) == [SECONDS["7d"]]
    pin = Pin.objects.get()
    assert (pin.state, pin.actor, pin.pinned_at) == (Pin.State.PINNED, "schedule by Alice", NOW + HOUR)
    assert (row(schedule).state, schedule.last_step, schedule.due_at) == ("done", "pin", None)
    assert run(NOW + 9 * DAY, at) == 0


def test_unpin_at_a_time(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    pins.pin(message, SECONDS["7d"], ALICE)
    schedule = wish.make(message, Wanted(unpin_at=NOW + HOUR), ALICE)
    run(NOW + HOUR, at)
    assert times(owner) == [SECONDS["7d"], None]
    assert (Pin.objects.get().state, row(schedule).state) == (Pin.State.UNPINNED, "done")


def test_an_unpin_of_what_is_not_pinned_sends_nothing(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    schedule = wish.make(message, Wanted(unpin_at=NOW + HOUR), ALICE)
    run(NOW + HOUR, at)
    assert (owner.orders, row(schedule).state) == ([], "done")


def test_a_repeated_pin_comes_each_time(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    """Nine in the morning in São Paulo is noon in UTC."""
    wanted = Wanted(repeat="0 9 * * 1-5", zone="America/Sao_Paulo", duration=SECONDS["24h"])
    schedule = wish.make(message, wanted, ALICE)
    for day in range(7):
        run(NOW + day * DAY + timedelta(seconds=1), at)
    # From the second of a Tuesday's noon on: Wednesday, Thursday, Friday, Monday.
    assert len(owner.orders) == 4
    assert row(schedule).due_at == datetime(2026, 12, 1, 12, 0, tzinfo=UTC)


def test_what_repeats_goes_on_after_it_began(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    """Whether its first pin comes about or not."""
    begins = NOW + 20 * DAY
    schedule = wish.make(message, Wanted(repeat="0 12 * * *", begins=begins, duration=SECONDS["24h"]), ALICE)
    assert row(schedule).due_at == begins
    assert run(begins - timedelta(seconds=1), at) == 0
    assert run(begins, at) == 1
    assert (row(schedule).due_at, len(owner.orders)) == (begins + DAY, 1)
    assert run(begins + DAY + 20 * HOUR, at) == 1
    assert (row(schedule).last_outcome, schedule.due_at, len(owner.orders)) == ("missed", begins + 2 * DAY, 1)


# --- Staying ----------------------------------------------------------------------------


def test_a_pin_stays_until_it_is_stopped(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    schedule = wish.make(message, Wanted(stay=True), ALICE)
    moment = NOW
    for _ in range(24 * 30):
        run(moment, at)
        pinbook.expire(moment)
        assert Pin.objects.get().state == Pin.State.PINNED, moment
        moment += HOUR
    # Seven days each, renewed seven hours before the end.
    assert times(owner) == [SECONDS["7d"]] * 5
    wish.cancel(schedule, ALICE)
    run(NOW + 90 * DAY, at)
    assert len(owner.orders) == 5


def test_a_pin_until_a_date_ends_then(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    until = NOW + 45 * DAY
    schedule = wish.make(message, Wanted(pin_at=NOW + DAY, until=until), ALICE)
    moment = NOW
    while moment <= until + DAY:
        run(moment, at)
        pinbook.expire(moment)
        state = Pin.objects.get().state if Pin.objects.exists() else ""
        assert state == ("" if moment < NOW + DAY else Pin.State.PINNED if moment < until else Pin.State.UNPINNED)
        moment += HOUR
    assert times(owner) == [SECONDS["30d"], SECONDS["30d"], None]
    assert row(schedule).state == "done"


def test_who_unpins_stops_the_renewals(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    schedule = wish.make(message, Wanted(stay=True), ALICE)
    run(NOW, at)
    pinbook.seen(message, Wish(None), actor="Bob", at=at(NOW + DAY), stanza_id="3EB0B")
    run(NOW + 7 * DAY, at)
    assert (len(owner.orders), row(schedule).state) == (1, "done")
    assert schedule.last_detail == runner.UNPINNED


def test_a_renewal_by_hand_is_counted(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    schedule = wish.make(message, Wanted(stay=True), ALICE)
    run(NOW, at)
    pins.pin(message, SECONDS["30d"], Asker("Bob"))
    run(NOW + 7 * DAY, at)
    assert len(owner.orders) == 2
    assert row(schedule).due_at == NOW + 30 * DAY - timedelta(hours=7)


def test_a_pin_that_ran_out_while_we_were_away_comes_back(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    wish.make(message, Wanted(stay=True), ALICE)
    run(NOW, at)
    pinbook.expire(at(NOW + 20 * DAY))
    run(NOW + 20 * DAY, at)
    assert Pin.objects.get().state == Pin.State.PINNED


def test_no_renewal_outlives_a_disappearing_message(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    message.disappears_at = NOW + DAY
    message.save()
    schedule = wish.make(message, Wanted(stay=True), ALICE)
    run(NOW, at)
    assert (len(owner.orders), row(schedule).state) == (1, "done")


# --- What goes wrong --------------------------------------------------------------------------


def test_it_waits_while_the_instance_is_not_connected(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    wish.make(message, Wanted(pin_at=NOW, duration=SECONDS["24h"]), ALICE)
    Instance.objects.update(state=Connection.DISCONNECTED)
    assert run(NOW, at) == 0
    assert history(message) == [], "it does not fill the history while it waits"
    Instance.objects.update(state=Connection.CONNECTED)
    assert run(NOW + timedelta(seconds=1), at) == 0, "it does not look all the time either"
    assert run(NOW + timedelta(minutes=2), at) == 1
    assert len(owner.orders) == 1


def test_too_late_is_reported(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    schedule = wish.make(message, Wanted(pin_at=NOW, duration=SECONDS["24h"]), ALICE)
    run(NOW + HOUR + timedelta(seconds=1), at)
    assert (owner.orders, row(schedule).state, history(message)) == ([], "missed", ["missed"])
    assert Pin.objects.get().state == Pin.State.FAILED
    assert schedule.last_detail == runner.LATE


def test_a_pin_whose_end_has_come_is_not_made(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    """Was red: everybody in the chat got the pin, and seconds later it was taken away again."""
    half = timedelta(minutes=30)
    schedule = wish.make(message, Wanted(pin_at=NOW, until=NOW + half), ALICE)
    run(NOW + half + timedelta(minutes=15), at)
    assert (owner.orders, row(schedule).state, history(message)) == ([], "missed", ["missed"])


def test_how_late_is_too_late_is_a_setting(owner: Owner, message: Message, at: At, settings: Any) -> None:  # noqa: F811
    settings.SCHEDULE_LATE = DAY
    wish.make(message, Wanted(pin_at=NOW, duration=SECONDS["24h"]), ALICE)
    run(NOW + DAY, at)
    assert len(owner.orders) == 1


def test_a_renewal_is_never_too_late(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    wish.make(message, Wanted(stay=True), ALICE)
    run(NOW, at)
    run(NOW + 6 * DAY + 23 * HOUR, at)
    assert len(owner.orders) == 2


def test_a_missed_time_of_many_does_not_end_the_others(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    schedule = wish.make(message, Wanted(repeat="0 13 * * *", duration=SECONDS["24h"]), ALICE)
    run(NOW + 5 * HOUR, at)
    assert (row(schedule).state, schedule.last_outcome) == ("waiting", "missed")
    run(NOW + DAY + HOUR, at)
    assert (len(owner.orders), row(schedule).last_outcome) == (1, "done")


def test_a_refusal_ends_it_with_the_reason(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    owner.error = AdminsOnly()
    schedule = wish.make(message, Wanted(pin_at=NOW, duration=SECONDS["24h"]), ALICE)
    run(NOW, at)
    assert (row(schedule).state, schedule.last_detail) == ("failed", AdminsOnly.sentence)
    run(NOW + DAY, at)
    assert len(owner.orders) == 1


def test_a_message_deleted_meanwhile(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    schedule = wish.make(message, Wanted(repeat="0 13 * * *", duration=SECONDS["24h"]), ALICE)
    Message.objects.update(deleted_at=NOW)
    run(NOW + HOUR, at)
    assert (owner.orders, row(schedule).state) == ([], "failed")
    assert schedule.last_detail == "message with ID 3EB01 was deleted for everyone: it cannot be pinned"


def test_an_unknown_outcome_of_a_pin_is_not_tried_twice(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    owner.error = NotConfirmed()
    schedule = wish.make(message, Wanted(pin_at=NOW, duration=SECONDS["24h"]), ALICE)
    run(NOW, at)
    assert row(schedule).state == "unknown"
    run(NOW + timedelta(minutes=30), at)
    assert len(owner.orders) == 1


def test_an_unknown_renewal_is_done_again(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    schedule = wish.make(message, Wanted(stay=True), ALICE)
    run(NOW, at)
    owner.error = NotConfirmed()
    due = row(schedule).due_at or NOW
    run(due, at)
    owner.error = None
    run(due + timedelta(minutes=11), at)
    assert (len(owner.orders), Pin.objects.get().state, row(schedule).state) == (3, Pin.State.PINNED, "waiting")


def test_a_connection_lost_at_the_last_moment(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    owner.error = NotConnected()
    wish.make(message, Wanted(pin_at=NOW, duration=SECONDS["24h"]), ALICE)
    assert run(NOW, at) == 0
    owner.error = None
    assert run(NOW + timedelta(seconds=6), at) == 1
    assert history(message) == ["asked", "not_sent", "asked", "acknowledged"]


def test_an_instance_that_is_being_deleted_pins_nothing_more(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    wish.make(message, Wanted(pin_at=NOW, duration=SECONDS["24h"]), ALICE)
    Instance.every.update(going_at=NOW)
    assert run(NOW, at) == 0
    assert owner.orders == []


# --- Once, exactly ------------------------------------------------------------------------------


def test_of_two_runners_one_gets_it(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    wish.make(message, Wanted(pin_at=NOW, duration=SECONDS["24h"]), ALICE)
    owner.before_answer = lambda _: (run_due(NOW), None)[1]
    run(NOW, at)
    assert len(owner.orders) == 1


def test_a_runner_that_died_before_sending_is_followed_by_another(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    schedule = wish.make(message, Wanted(pin_at=NOW, duration=SECONDS["24h"]), ALICE)
    assert claim(schedule, NOW, try_at=schedule.try_at)
    assert run(NOW + timedelta(seconds=5), at) == 0, "the dead runner's claim still holds"
    assert run(NOW + timedelta(minutes=1), at) == 1
    assert len(owner.orders) == 1


def test_a_runner_that_died_after_sending_is_not_repeated(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    schedule = wish.make(message, Wanted(pin_at=NOW, duration=SECONDS["24h"]), ALICE)
    assert claim(schedule, NOW, try_at=schedule.try_at)
    pins.pin(message, SECONDS["24h"], Asker("schedule by Alice", attempt=schedule.attempt))
    # Two hours later, too late to pin: but it was pinned, and that is what counts.
    assert run(NOW + 2 * HOUR, at) == 1
    assert (len(owner.orders), row(schedule).state) == (1, "done")


def test_a_runner_that_was_only_thought_dead_sends_nothing_more(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    schedule = wish.make(message, Wanted(pin_at=NOW, duration=SECONDS["24h"]), ALICE)
    asleep = Schedule.objects.select_related("message__chat", "message__instance", "token").get()
    assert claim(asleep, NOW, try_at=asleep.try_at)
    run(NOW + timedelta(minutes=1), at)
    runner._take_step(asleep, NOW)
    assert (len(owner.orders), row(schedule).state) == (1, "done")
    assert history(message) == ["asked", "acknowledged"]


def test_an_attempt_is_opened_once(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    asker = Asker("Alice", attempt=uuid4())
    for later in (0, 1, 2):
        at(NOW + later * DAY)
        pins.pin(message, SECONDS["24h"], asker)
    assert len(owner.orders) == 1


def test_cancelled_while_it_is_carried_out(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    schedule = wish.make(message, Wanted(stay=True), ALICE)
    owner.before_answer = lambda _: wish.cancel(schedule, ALICE)
    run(NOW, at)
    assert (row(schedule).state, schedule.last_outcome, schedule.attempt) == ("cancelled", "done", None)


# --- Making and cancelling -------------------------------------------------------------------


def test_the_same_wish_again_is_the_one_that_is_there(message: Message, at: At) -> None:
    wanted = Wanted(pin_at=NOW + HOUR, duration=SECONDS["7d"])
    assert wish.make(message, wanted, ALICE) == wish.make(message, wanted, Asker("Bob"))
    assert Schedule.objects.count() == 1


def test_so_many_a_message_and_no_more(message: Message, at: At) -> None:
    for hours in range(wish.MOST_A_MESSAGE):
        wish.make(message, Wanted(unpin_at=NOW + hours * HOUR), ALICE)
    most = "a message may have 10 schedules that wait: cancel one first"
    with pytest.raises(InvalidSchedule, match=most) as refused:
        wish.make(message, Wanted(unpin_at=NOW + DAY), ALICE)
    assert refused.value.fault == Fault.TOO_MANY


def test_so_many_an_instance_and_no_more(message: Message, at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wish, "MOST_WAITING", 2)
    other, third = (make_message(message.instance, name) for name in ("3EB02", "3EB03"))
    elsewhere = make_message(Instance.objects.create(account=message.instance.account, name="desk"), "3EB04")
    kept, gone = (wish.make(one, Wanted(stay=True), ALICE) for one in (message, other))
    with pytest.raises(InvalidSchedule, match="an instance may have 2 schedules that wait: cancel one first"):
        wish.make(third, Wanted(stay=True), ALICE)
    assert wish.make(message, Wanted(stay=True), ALICE) == kept
    wish.make(elsewhere, Wanted(stay=True), ALICE)
    wish.cancel(gone, ALICE)
    wish.make(third, Wanted(stay=True), ALICE)


def test_what_is_gone_is_not_scheduled(message: Message, at: At) -> None:
    message.deleted_at = NOW
    with pytest.raises(MessageDeleted):
        wish.make(message, Wanted(stay=True), ALICE)


def test_cancelling_twice_is_cancelling_and_over_is_over(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    schedule = wish.make(message, Wanted(pin_at=NOW, duration=SECONDS["7d"]), ALICE)
    wish.cancel(schedule, ALICE)
    wish.cancel(schedule, ALICE)
    done = wish.make(message, Wanted(pin_at=NOW, duration=SECONDS["7d"]), ALICE)
    run(NOW, at)
    with pytest.raises(ScheduleOver):
        wish.cancel(done, ALICE)
    assert PinEvent.objects.filter(kind="acknowledged").count() == 1


@pytest.mark.parametrize(
    ("wanted", "fault", "words"),
    [
        (Wanted(), Fault.NO_TIME, "nothing to wait for"),
        (Wanted(pin_at=NOW + HOUR), Fault.NO_TIME, "duration is required"),
        (Wanted(repeat="0 9 * * *"), Fault.NO_TIME, "duration is required"),
        (
            Wanted(pin_at=NOW + HOUR, repeat="0 9 * * *", duration=86_400),
            Fault.MIXED,
            "one of pinAt, unpinAt and repeat",
        ),
        (Wanted(unpin_at=NOW + HOUR, duration=86_400), Fault.MIXED, "unpinAt goes alone"),
        (Wanted(unpin_at=NOW + HOUR, stay=True), Fault.MIXED, "unpinAt goes alone"),
        (Wanted(repeat="0 9 * * *", until=NOW + DAY), Fault.MIXED, "repeat goes with duration"),
        (Wanted(until=NOW + DAY, duration=86_400), Fault.MIXED, "until goes without duration"),
        (Wanted(pin_at=NOW - HOUR, duration=86_400), Fault.NOT_AHEAD, "pinAt must be in the future"),
        (Wanted(pin_at=NOW + 6 * 366 * DAY, duration=86_400), Fault.NOT_AHEAD, "within five years"),
        (Wanted(pin_at=NOW + DAY, until=NOW + HOUR), Fault.ENDS_FIRST, "until must be later than the pin"),
        (Wanted(pin_at=NOW, duration=86_400, zone="Mars/Olympus"), Fault.ZONE, "timeZone must be a name"),
        (Wanted(repeat="* * * * *", duration=86_400), Fault.TOO_OFTEN, "leave an hour"),
        (Wanted(repeat="0,59 * * * *", duration=86_400), Fault.TOO_OFTEN, "leave an hour"),
        (Wanted(repeat="0 0 9 * * *", duration=86_400), Fault.REPEAT, "five fields"),
        (Wanted(repeat="0 25 * * *", duration=86_400), Fault.REPEAT, "Bad hour"),
        (Wanted(repeat="0 0 31 2 *", duration=86_400), Fault.REPEAT, "Bad day-of-month"),
        (Wanted(repeat="often", duration=86_400), Fault.REPEAT, "five fields"),
    ],
)
def test_what_cannot_be(message: Message, at: At, wanted: Wanted, fault: Fault, words: str) -> None:
    with pytest.raises(InvalidSchedule, match=words) as refused:
        wish.make(message, wanted, ALICE)
    assert refused.value.fault == fault
    assert not Schedule.objects.exists()


# --- The clocks change ---------------------------------------------------------------------------


def test_nine_is_nine_in_summer_and_in_winter() -> None:
    assert steps.next_time("0 9 * * *", "Europe/Lisbon", datetime(2026, 7, 1, tzinfo=UTC)).hour == 8
    assert steps.next_time("0 9 * * *", "Europe/Lisbon", datetime(2026, 12, 1, tzinfo=UTC)).hour == 9


def test_an_hour_that_is_left_out_and_one_that_comes_twice() -> None:
    """In Lisbon on 29 March 2026 half past one is left out; on 25 October it comes twice."""
    zone, spring, autumn = "Europe/Lisbon", datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 24, 23, tzinfo=UTC)
    skipped = steps.next_time("30 1 * * *", zone, spring)
    assert skipped == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    once = steps.next_time("30 1 * * *", zone, autumn)
    assert (once, steps.next_time("30 1 * * *", zone, once).day) == (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), 26)


SOON = st.timedeltas(timedelta(0), timedelta(days=400))


@given(st.sampled_from([None, *SECONDS.values()]), SOON, st.one_of(st.none(), SOON), st.booleans())
def test_whatever_is_wished_the_next_step_is_later_and_in_time(
    duration: int | None, left: timedelta, until: timedelta | None, stay: bool
) -> None:
    """No step is due at once again (which would be endless), and no renewal comes after the pin has ended."""
    schedule = Schedule(
        message=Message(), duration=duration, until=NOW + until if until is not None else None, stay=stay
    )
    ends = NOW + left
    following = steps.after_pin(schedule, ends, NOW)
    if following is None:
        assert not stay
        assert schedule.until is None
    elif following[0] == Schedule.Step.UNPIN:
        assert following[1] == schedule.until
        assert following[1] <= ends
    else:
        ahead = steps.margin(steps.duration_of(schedule, NOW))
        assert following[1] >= NOW + ahead
        assert following[1] <= max(ends - ahead, NOW + ahead)


# --- Many at once ----------------------------------------------------------------------------


def test_an_instance_has_its_turn_and_then_others_have_theirs(owner: Owner, message: Message, at: At) -> None:  # noqa: F811
    for number in range(runner.BATCH + 2):
        one = make_message(message.instance, f"N{number}")
        wish.make(one, Wanted(pin_at=NOW, duration=SECONDS["24h"]), ALICE)
    turns = [runner.run_instance(message.instance_id, NOW) for _ in range(3)]
    assert turns == [runner.BATCH, 2, 0]


# --- The audit, and messages that are forgotten ------------------------------------------------


def test_it_is_in_the_audit(message: Message, at: At) -> None:
    schedule = wish.make(message, Wanted(stay=True), ALICE)
    wish.make(message, Wanted(stay=True), Asker("Bob"))
    for _ in range(2):
        wish.cancel(schedule, Asker("Bob"))
    lines = AuditLine.objects.order_by("pk").values_list("actor", "action", "target")
    assert list(lines) == [
        ("Alice", "schedule made", "shop: 3EB01"),
        ("Bob", "schedule cancelled", "shop: 3EB01"),
    ]


def test_what_goes_with_a_forgotten_message_is_reported(message: Message, at: At) -> None:
    webhooks.add(message.instance, "https://crm.example.com/", ["message.pin"])
    Instance.objects.update(keep_days=30)
    done = wish.make(message, Wanted(pin_at=NOW, duration=SECONDS["24h"]), ALICE)
    Schedule.objects.filter(pk=done.pk).update(state="done")
    wish.make(message, Wanted(pin_at=NOW + HOUR, duration=SECONDS["7d"]), ALICE)
    kept = make_message(message.instance, "3EB02", sent_at=NOW)
    wish.make(kept, Wanted(stay=True), ALICE)
    assert forget_old() == 1
    (lost,) = LostSchedule.objects.all()
    assert (lost.called, lost.step, lost.due_at, lost.actor) == ("3EB01", "pin", NOW + HOUR, "Alice")
    assert AuditLine.objects.get(action="schedule lost").target == "shop: 3EB01"
    told = json.loads(OutgoingEvent.objects.get().body)["data"]
    assert (told["change"], told["messageId"], told["detail"]) == ("missed", "3EB01", losing.FORGOTTEN)
    assert Schedule.objects.get().message == kept
