"""What other programs are told of rules and schedules: `pin.rule` and `pin.schedule`, to webhooks and live readers."""

# ruff: noqa: F811

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from chats.errands.batch import By
from chats.models import Message, RuleHit, Schedule
from chats.pinbook import Asker
from chats.rules import manage, notice
from chats.rules import runner as rules
from chats.schedule import losing, runner, wish
from chats.schedule.wish import Wanted
from instances.events import webhooks
from instances.events.models import OutgoingEvent
from instances.models import Instance
from instances.states import State as Connection
from instances.whatsapp import service
from instances.whatsapp.errors import AdminsOnly
from tests.test_batch import Clock
from tests.test_pins import Owner, make_message, owner  # noqa: F401
from tests.test_rules import Chat, by, chat, clock, instance, rule  # noqa: F401
from tests.test_schedule import run_due

Captured = Callable[..., Any]


@pytest.fixture
def hooked(instance: Instance) -> Instance:
    """Somebody wants to hear of rules and schedules."""
    webhooks.add(instance, "https://crm.example.com/", ["pin.rule", "pin.schedule"])
    return Instance.objects.get()


def told() -> list[Any]:
    return [json.loads(body)["data"] for body in OutgoingEvent.objects.order_by("pk").values_list("body", flat=True)]


def changes() -> list[str]:
    return [data["change"] for data in told()]


def test_it_works(owner: Owner, hooked: Instance, by: By, chat: Chat) -> None:
    made = rule(hooked, by, words="address")
    message = chat.say("the address")
    rules.run_instance(hooked.pk)
    manage.switch(made, False, by)
    manage.delete(made, by)
    assert changes() == ["added", "switched_on", "pinned", "switched_off", "deleted"]
    added, on, pinned, off, _ = told()
    assert pinned == {
        **{"change": "pinned", "ruleId": str(made.uid), "name": "R", "trigger": "message", "active": True},
        **{"chatJid": "120363406289005073@g.us", "messageId": message, "detail": "", "by": "rule 'R'"},
        "at": pinned["at"],
    }
    assert (added["active"], on["active"], off["active"]) == (False, True, False)
    assert (added["by"], added["messageId"]) == ("token 'CRM'", None)
    assert {event.kind for event in OutgoingEvent.objects.all()} == {"pin.rule"}


def test_a_rule_at_its_limit_says_so(owner: Owner, hooked: Instance, by: By, chat: Chat) -> None:
    rule(hooked, by, words="address", an_hour=1)
    chat.say("address")
    left_out = chat.say("another address")
    assert changes() == ["added", "switched_on", "limit"]
    assert (told()[-1]["messageId"], told()[-1]["detail"]) == (left_out, notice.LIMIT)


def test_what_a_rule_could_not_pin(owner: Owner, hooked: Instance, by: By, chat: Chat, clock: Clock) -> None:
    made = rule(hooked, by, words="address", an_hour=9)
    chat.say("address")
    owner.error = AdminsOnly()
    rules.run_instance(hooked.pk)
    chat.say("address")
    Instance.objects.update(state=Connection.DISCONNECTED)
    clock.later(3601)
    rules.run_instance(hooked.pk)
    chat.say("address")
    manage.switch(made, False, by)
    rules.run_instance(hooked.pk)
    assert changes() == ["added", "switched_on", "failed", "skipped", "switched_off", "skipped"]
    assert [data["detail"] for data in told() if data["change"] == "skipped"] == [runner.LATE, rules.OFF]
    assert "Only admins" in told()[2]["detail"]


def test_what_another_worker_took_over_is_told_by_that_one(owner: Owner, hooked: Instance, by: By, chat: Chat) -> None:
    rule(hooked, by, words="address")
    chat.say("address")

    def taken_over(_: Any) -> None:
        RuleHit.objects.update(attempt=None)

    owner.before_answer = taken_over
    rules.run_instance(hooked.pk)
    assert changes() == ["added", "switched_on"], "the rest is the other one's to tell"


def test_live_readers_hear_it_without_any_webhook(
    instance: Instance,
    by: By,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Captured,
) -> None:
    heard: list[Any] = []
    monkeypatch.setattr(service, "publish", lambda uid, topic, payload: heard.append((uid, topic, payload)))
    with django_capture_on_commit_callbacks(execute=True):
        rule(instance, by, on=False, words="x")
        message = make_message(instance, "3EB0")
        wish.make(message, Wanted(stay=True), Asker("Bob"))
    assert [(uid, topic) for uid, topic, _ in heard] == [(instance.uid, "rules"), (instance.uid, "schedules")]
    assert '"change":"added"' in heard[0][2]["events"][0]
    assert not OutgoingEvent.objects.exists()


def test_a_schedules_life(owner: Owner, hooked: Instance, clock: Clock) -> None:
    message = make_message(hooked, "3EB0")
    tomorrow = clock.now + timedelta(days=1)
    schedule = wish.make(message, Wanted(pin_at=tomorrow, until=tomorrow + timedelta(days=2)), Asker("Bob"))
    clock.later(86_401)
    run_due(clock.now)
    clock.later(2 * 86_400)
    run_due(clock.now)
    made, pinned, unpinned = told()
    assert made == {
        **{"change": "made", "scheduleId": str(schedule.uid), "chatJid": message.chat.jid, "messageId": "3EB0"},
        **{"fromMe": message.from_me, "step": None, "state": "waiting", "next": "pin"},
        **{"nextAt": "2026-11-25T12:00:00Z", "by": "Bob", "detail": "", "at": "2026-11-24T12:00:00Z"},
    }
    assert (pinned["change"], pinned["step"], pinned["state"], pinned["next"], pinned["by"]) == (
        *("done", "pin", "waiting", "unpin"),
        "schedule by Bob",
    )
    assert (unpinned["change"], unpinned["step"], unpinned["state"], unpinned["next"]) == (
        "done",
        "unpin",
        "done",
        None,
    )
    assert {event.kind for event in OutgoingEvent.objects.all()} == {"pin.schedule"}


def test_what_does_not_come_about(owner: Owner, hooked: Instance, clock: Clock) -> None:
    late, refused, cancelled, forgotten = (make_message(hooked, name) for name in "ABCD")
    soon = clock.now + timedelta(minutes=5)
    for message in (late, cancelled, forgotten):
        wish.make(message, Wanted(pin_at=soon, duration=86_400), Asker("Bob"))
    wish.cancel(Schedule.objects.get(message=cancelled), Asker("Vera"))
    losing.lose([forgotten.pk])
    Schedule.objects.filter(message=forgotten).delete()
    clock.later(5 * 3600)
    run_due(clock.now)
    wish.make(refused, Wanted(pin_at=clock.now, duration=86_400), Asker("Bob"))
    owner.error = AdminsOnly()
    run_due(clock.now)
    ends = {data["messageId"]: data for data in told() if data["change"] != "made"}
    assert [(key, data["change"], data["state"], data["step"]) for key, data in sorted(ends.items())] == [
        ("A", "missed", "missed", "pin"),
        ("B", "failed", "failed", "pin"),
        ("C", "cancelled", "cancelled", None),
        ("D", "lost", "lost", "pin"),
    ]
    assert all(data["next"] is None and data["nextAt"] is None for data in ends.values())
    assert [ends[key]["by"] for key in "AC"] == ["schedule by Bob", "Vera"]
    assert (ends["A"]["detail"], ends["D"]["detail"]) == (runner.LATE, losing.FORGOTTEN)
    assert Message.objects.count() == 4
