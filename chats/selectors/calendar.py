"""A month of plans, day by day: each time that a repeated one will come, and the day on which a kept pin ends."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from django.utils import timezone

from chats.models import Message, Schedule
from chats.schedule import steps
from chats.selectors.plans import waiting
from instances import access

# So many a day are named; the others are counted.
NAMED = 3
# So many plans are looked at, and so many of their steps counted, those that come first: some tenths of a second.
PLANS, STEPS = 5_000, 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of a plan."""

    at: datetime
    plan: Any
    step: Schedule.Step


@dataclass(slots=True)
class Day:
    """One day of the month, or beside it."""

    day: date
    inside: bool
    today: bool
    entries: list[Entry] = field(default_factory=list)
    # The first of them, each with its message.
    named: list[Entry] = field(default_factory=list)

    @property
    def others(self) -> int:
        """How many more there are."""
        return len(self.entries) - len(self.named)


@dataclass(frozen=True, slots=True)
class Month:
    """A month's weeks, from Monday on."""

    weeks: list[list[Day]]
    # More is planned than is looked at: from then on it is left out.
    cut: datetime | None


def month(user: access.User, first: date) -> Month:
    """The month that begins with `first`, in the reader's zone."""
    begin = first - timedelta(days=first.weekday())
    after = next_month(first)
    count = -(-(after - begin).days // 7) * 7
    today = timezone.localdate()
    days = [begin + timedelta(days=number) for number in range(count)]
    cells = {day: Day(day, first <= day < after, day == today) for day in days}
    start, end = (timezone.make_aware(datetime.combine(day, time())) for day in (first, after))
    entries, cut = _first(user, start, end)
    for entry in entries:
        cells[timezone.localdate(entry.at)].entries.append(entry)
    _name(cells.values())
    return Month([[cells[day] for day in days[number : number + 7]] for number in range(0, count, 7)], cut)


def next_month(first: date) -> date:
    """The first day of the month after."""
    return (first + timedelta(days=31)).replace(day=1)


def _first(user: access.User, start: datetime, end: datetime) -> tuple[list[Entry], datetime | None]:
    """What comes from `start` to `end` in its order; and from when on it is left out, if it is too much."""
    # A thousand messages with all they hold are not read for the few that are named.
    plans = waiting(user).select_related(None).only("message", "step", "due_at", "until", "repeat", "zone")
    looked_at = list(plans.filter(due_at__lt=end)[: PLANS + 1])
    until = looked_at.pop().due_at if len(looked_at) > PLANS else end
    found: list[Entry] = []
    for entry in heapq.merge(*(_entries(plan, start, end) for plan in looked_at), key=_order):
        if len(found) == STEPS:
            until = min(until, entry.at)
        if entry.at >= until:
            break
        if entry.at >= start:
            found.append(entry)
    return found, until if until < end else None


def _order(entry: Entry) -> tuple[datetime, int]:
    return entry.at, entry.plan.pk


def _name(cells: Iterable[Day]) -> None:
    """Fetch what is shown of the first of each day; not of what was deleted this moment."""
    first = [(cell, entry) for cell in cells for entry in cell.entries[:NAMED]]
    shown = Message.objects.select_related("chat").defer("data").in_bulk({entry.plan.message_id for _, entry in first})
    for cell, entry in first:
        if entry.plan.message_id in shown:
            entry.plan.message = shown[entry.plan.message_id]
            cell.named.append(entry)


def _entries(plan: Any, start: datetime, end: datetime) -> Iterator[Entry]:
    """One plan's, in their order."""
    yield Entry(plan.due_at, plan, Schedule.Step(plan.step))
    if plan.until is not None and plan.until != plan.due_at:
        yield Entry(plan.until, plan, Schedule.Step.UNPIN)
    if plan.repeat:
        at = max(plan.due_at, start - timedelta(seconds=1))
        while (at := steps.next_time(plan.repeat, plan.zone, at)) < end:
            yield Entry(at, plan, Schedule.Step.PIN)
