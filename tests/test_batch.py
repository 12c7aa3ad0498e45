"""Many pins together: each message once, at a gentle pace, stopped and resumed, with a stand-in for the connector."""

# ruff: noqa: F811

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError

from chats import pinbook, pins
from chats.claims import claim
from chats.errands import batch as rules
from chats.errands import carry, runner
from chats.errands.batch import BatchOver, By, InvalidBatch, Wanted
from chats.models import Batch, BatchItem, Message, Pin
from chats.pinbook import Asker, Wish
from instances import tokens
from instances.models import Account, Instance, Membership, Token
from instances.states import State as Connection
from instances.whatsapp.errors import AdminsOnly, NotConfirmed, NotConnected, Refused
from portal.models import AuditLine
from tests.test_pins import Owner, make_message, owner  # noqa: F401

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
WEEK = 604_800
Action = Batch.Action


class Clock:
    """Moves the time; it begins at noon."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = NOW
        patch.setattr("django.utils.timezone.now", lambda: self.now)

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def instance(db: None) -> Instance:
    account = Account.objects.create(name="Alice")
    return Instance.objects.create(account=account, name="shop", state=Connection.CONNECTED)


@pytest.fixture
def token(instance: Instance) -> Token:
    return tokens.issue(instance.account, label="CRM")[0]


def messages(instance: Instance, count: int) -> list[Message]:
    return [make_message(instance, f"3EB{number:02}") for number in range(count)]


def make(by: Token | By, found: list[Message], action: Action = Action.PIN) -> Batch:
    wanted = [Wanted(one.message_id, one) for one in found]
    asker = by if isinstance(by, By) else By(token=by)
    return rules.make(found[0].instance, action, WEEK, wanted, asker)


def states(batch: Batch) -> list[str]:
    return list(batch.items.order_by("pk").values_list("state", flat=True))


def run(clock: Clock, batch: Batch, seconds: float = 60) -> None:
    """Look as often as the worker does."""
    for _ in range(int(seconds)):
        for instance in runner.due_instances(clock.now):
            runner.run_instance(instance)
        clock.later(1)
    batch.refresh_from_db()


def sent(owner: Owner) -> list[tuple[str, int | None]]:
    return [(order.message_id, order.duration) for order in owner.orders]


def test_it_works(owner: Owner, instance: Instance, token: Token, clock: Clock) -> None:
    batch = make(token, messages(instance, 3))
    run(clock, batch)
    assert sent(owner) == [("3EB00", WEEK), ("3EB01", WEEK), ("3EB02", WEEK)]
    assert (batch.state, states(batch)) == ("done", ["done"] * 3)
    assert batch.ended_at is not None
    assert {pin.actor for pin in Pin.objects.all()} == {"token 'CRM'"}
    assert [line.action for line in AuditLine.objects.order_by("pk")] == ["selection started", "selection finished"]


def test_the_pace_is_an_instances(owner: Owner, instance: Instance, token: Token, clock: Clock) -> None:
    found = messages(instance, 4)
    first, second = make(token, found[:2]), make(token, found[2:])
    assert runner.run_instance(instance.pk) == 1
    assert runner.run_instance(instance.pk) == 0, "not before its time, and the other one waits for this one"
    clock.later(2)
    assert runner.run_instance(instance.pk) == 2, "the last of the first, and the first of the second"
    run(clock, second)
    first.refresh_from_db()
    assert (first.state, second.state, len(owner.orders)) == ("done", "done", 4)


def test_renew_and_unpin_leave_alone_what_is_not_pinned(
    owner: Owner,
    instance: Instance,
    token: Token,
    clock: Clock,
) -> None:
    found = messages(instance, 2)
    pins.pin(found[0], WEEK, Asker("Bob"))
    clock.later(3600)
    for action, duration in ((Action.RENEW, WEEK), (Action.UNPIN, None)):
        batch = make(token, found, action)
        run(clock, batch, 10)
        assert states(batch) == ["done", "skipped"]
        assert owner.orders[-1].duration == duration
    assert len(owner.orders) == 3


def test_each_has_its_own_outcome(owner: Owner, instance: Instance, token: Token, clock: Clock) -> None:
    found = messages(instance, 5)
    Message.objects.filter(pk=found[0].pk).update(deleted_at=NOW)
    outcomes: dict[str, Any] = {"3EB01": AdminsOnly(), "3EB02": Refused("479"), "3EB03": NotConfirmed()}
    owner.before_answer = lambda order: setattr(owner, "error", outcomes.get(order.message_id))
    wanted = [*(Wanted(one.message_id, one) for one in found), *rules.find_all(instance, ["NOWHERE"])]
    batch = rules.make(instance, Action.PIN, WEEK, wanted, By(token=token))
    run(clock, batch)
    assert (batch.state, states(batch)) == ("done", ["failed", "failed", "failed", "unknown", "done", "failed"])
    details = list(batch.items.order_by("pk").values_list("detail", flat=True))
    for detail, words in zip(
        details, ("deleted", "Only admins", "479", "did not confirm", "", "not found"), strict=True
    ):
        assert words in detail


def test_stop_and_resume(owner: Owner, instance: Instance, token: Token, clock: Clock) -> None:
    batch, by = make(token, messages(instance, 3)), By(token=token)
    runner.run_instance(instance.pk)
    for _ in range(2):
        rules.stop(batch, by)
    run(clock, batch)
    assert (batch.state, len(owner.orders)) == ("stopped", 1)
    rules.resume(batch, by)
    run(clock, batch)
    assert (batch.state, [one for one, _ in sent(owner)]) == ("done", ["3EB00", "3EB01", "3EB02"])
    for act in (rules.stop, rules.resume):
        with pytest.raises(BatchOver):
            act(batch, by)


def test_the_same_again_is_the_same_until_it_is_over(instance: Instance, token: Token, clock: Clock) -> None:
    found = messages(instance, 2)
    first = make(token, found)
    assert make(token, found).pk == first.pk
    assert make(token, found, Action.UNPIN).pk != first.pk
    Batch.objects.update(state="done")
    assert make(token, found).pk != first.pk


def test_no_more_than_there_may_be(instance: Instance, token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST_OPEN", 1)
    found = messages(instance, 2)
    make(token, found)
    with pytest.raises(InvalidBatch, match="not over"):
        make(token, found[:1])
    with pytest.raises(InvalidBatch, match="1 to 1000"):
        rules.make(instance, Action.PIN, WEEK, [], By(token=token))


# --- What goes wrong ---------------------------------------------------------------------


def test_it_waits_for_the_instance_and_then_stops(
    owner: Owner,
    instance: Instance,
    token: Token,
    clock: Clock,
    settings: Any,
) -> None:
    settings.SCHEDULE_LATE = timedelta(seconds=60)
    batch = make(token, messages(instance, 2))
    Instance.objects.update(state=Connection.DISCONNECTED)
    run(clock, batch, 50)
    assert (batch.state, batch.items.filter(attempt=None).count()) == ("running", 2)
    run(clock, batch, 30)
    assert (batch.state, batch.why, owner.orders) == ("stopped", runner.AWAY, [])
    assert AuditLine.objects.get(action="selection stopped").detail == runner.AWAY
    Instance.objects.update(state=Connection.CONNECTED)
    rules.resume(batch, By(token=token))
    run(clock, batch)
    assert (batch.state, batch.why) == ("done", "")


def test_what_was_not_sent_is_sent_later(owner: Owner, instance: Instance, token: Token, clock: Clock) -> None:
    batch = make(token, messages(instance, 1))
    owner.error = NotConnected()
    runner.run_instance(instance.pk)
    assert states(batch) == ["waiting"]
    owner.error = None
    run(clock, batch, 10)
    assert (states(batch), Pin.objects.get().state) == (["done"], "pinned")


def test_much_trouble_in_a_row_stops_it(owner: Owner, instance: Instance, token: Token, clock: Clock) -> None:
    batch = make(token, messages(instance, 8))
    owner.error = Refused("429")
    run(clock, batch)
    assert (batch.state, batch.why, len(owner.orders)) == ("stopped", runner.TROUBLE, 5)


def test_an_end_is_not_noted_without_being_told(
    owner: Owner, instance: Instance, token: Token, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Was red: whoever died or lost the database in between left an end that no webhook and no audit ever told."""
    batch = make(token, messages(instance, 1))
    with monkeypatch.context() as away:
        away.setattr("chats.news.batch_changed", Mock(side_effect=OperationalError))
        with pytest.raises(OperationalError):
            run(clock, batch)
    batch.refresh_from_db()
    assert (states(batch), batch.state) == (["done"], "running")
    run(clock, batch)
    told = [line.action for line in AuditLine.objects.order_by("pk")]
    assert (batch.state, told) == ("done", ["selection started", "selection finished"])


@pytest.mark.parametrize(("act", "before"), [(rules.stop, "running"), (rules.resume, "stopped")])
def test_nor_what_a_person_does(
    instance: Instance, token: Token, monkeypatch: pytest.MonkeyPatch, act: Any, before: str
) -> None:
    batch = make(token, messages(instance, 1))
    if before == "stopped":
        rules.stop(batch, By(token=token))
    with monkeypatch.context() as away:
        away.setattr("chats.news.batch_changed", Mock(side_effect=OperationalError))
        with pytest.raises(OperationalError):
            act(batch, By(token=token))
    batch.refresh_from_db()
    assert batch.state == before


def test_a_revoked_token_asks_for_nothing_more(
    owner: Owner,
    instance: Instance,
    token: Token,
    clock: Clock,
) -> None:
    batch = make(token, messages(instance, 2))
    runner.run_instance(instance.pk)
    tokens.revoke(token)
    run(clock, batch)
    assert (batch.state, batch.why, len(owner.orders)) == ("stopped", runner.NO_RIGHT, 1)


def test_a_rotated_token_goes_on_in_its_successor(
    owner: Owner,
    instance: Instance,
    token: Token,
    clock: Clock,
) -> None:
    batch = make(token, messages(instance, 1))
    tokens.rotate(token, timedelta(hours=1))
    clock.later(7200)
    run(clock, batch)
    assert batch.state == "done"


@pytest.mark.parametrize("change", ["role", "leave", "delete", "inactive"])
def test_who_may_not_pin_any_more_asks_for_nothing_more(
    owner: Owner,
    instance: Instance,
    clock: Clock,
    change: str,
) -> None:
    bob = get_user_model().objects.create_user("bob")
    role = Membership.Role
    member = Membership.objects.create(user=bob, account=instance.account, role=role.OPERATOR, all_instances=True)
    batch = make(By(user=bob), messages(instance, 2))
    runner.run_instance(instance.pk)
    if change == "role":
        Membership.objects.update(role=role.VIEWER)
    elif change == "leave":
        member.delete()
    elif change == "delete":
        bob.delete()
    else:
        get_user_model().objects.update(is_active=False)
    run(clock, batch)
    assert (batch.state, batch.why, len(owner.orders)) == ("stopped", runner.NO_RIGHT, 1)


def test_a_dead_workers_pin_is_not_sent_again(
    owner: Owner,
    instance: Instance,
    token: Token,
    clock: Clock,
) -> None:
    """It died after the connector had recorded the acknowledgement, before the worker had."""
    batch = make(token, messages(instance, 1))
    item = batch.items.select_related("message__chat", "message__instance").get()
    assert item.message is not None
    assert claim(item, clock.now)
    pins.pin(item.message, WEEK, Asker("token 'CRM'", token, item.attempt))
    # Somebody's own pin since then: the same wish again would be no retry.
    clock.later(1)
    pinbook.seen(item.message, Wish(86_400), actor="Bob", at=clock.now, stanza_id="3EB0B")
    run(clock, batch, 10)
    assert (states(batch), batch.state) == (["waiting"], "running"), "its claim still holds"
    run(clock, batch, 60)
    assert (states(batch), len(owner.orders), batch.state) == (["done"], 1, "done")


def test_two_workers_send_it_once(owner: Owner, instance: Instance, token: Token, clock: Clock) -> None:
    batch = make(token, messages(instance, 1))
    items = [batch.items.get(), batch.items.get()]
    assert [claim(item, clock.now) for item in items] == [True, False]


def test_a_message_that_went_meanwhile(owner: Owner, instance: Instance, token: Token, clock: Clock) -> None:
    batch = make(token, messages(instance, 2))
    Message.objects.filter(message_id="3EB00").delete()
    run(clock, batch)
    item = batch.items.get(called="3EB00")
    assert (item.state, item.detail, len(owner.orders)) == ("failed", carry.NOT_STORED, 1)


def test_an_instance_that_is_being_deleted_sends_nothing(
    owner: Owner,
    instance: Instance,
    token: Token,
    clock: Clock,
) -> None:
    batch = make(token, messages(instance, 1))
    Instance.objects.update(going_at=clock.now)
    run(clock, batch, 5)
    assert owner.orders == []


def test_an_unpin_sees_what_was_pinned_by_others(
    owner: Owner,
    instance: Instance,
    token: Token,
    clock: Clock,
) -> None:
    found = messages(instance, 1)
    pinbook.seen(found[0], Wish(WEEK), actor="Bob", at=clock.now, stanza_id="3EB0B")
    batch = make(token, found, Action.UNPIN)
    run(clock, batch, 5)
    assert sent(owner) == [("3EB00", None)]
    assert BatchItem.objects.get().state == "done"
