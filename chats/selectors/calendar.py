"""A month of plans, day by day: each time that a repeated one will come, and the day on which a kept pin ends."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from django.utils import timezone

from chats.models import Schedule
from chats.schedule import steps
from chats.selectors.plans import waiting
from instances import access

# So many a day are named; the others are counted.
NAMED = 3
# Of one plan: one that comes hourly fills a month no further.
MOST = 31 * 24


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

    @property
    def named(self) -> list[Entry]:
        """The first of them."""
        return self.entries[:NAMED]

    @property
    def others(self) -> int:
        """How many more there are."""
        return max(len(self.entries) - NAMED, 0)


def month(user: access.User, first: date) -> list[list[Day]]:
    """The weeks, from Monday on, of the month that begins with `first`, in the reader's zone."""
    begin = first - timedelta(days=first.weekday())
    after = next_month(first)
    count = -(-(after - begin).days // 7) * 7
    today = timezone.localdate()
    days = [begin + timedelta(days=number) for number in range(count)]
    cells = {day: Day(day, first <= day < after, day == today) for day in days}
    start, end = (timezone.make_aware(datetime.combine(day, time())) for day in (first, after))
    for plan in waiting(user).filter(due_at__lt=end):
        for entry in _entries(plan, start, end):
            if start <= entry.at < end:
                cells[timezone.localdate(entry.at)].entries.append(entry)
    for cell in cells.values():
        cell.entries.sort(key=lambda entry: (entry.at, entry.plan.pk))
    return [[cells[day] for day in days[number : number + 7]] for number in range(0, count, 7)]


def next_month(first: date) -> date:
    """The first day of the month after."""
    return (first + timedelta(days=31)).replace(day=1)


def _entries(plan: Any, start: datetime, end: datetime) -> Iterator[Entry]:
    yield Entry(plan.due_at, plan, Schedule.Step(plan.step))
    if plan.until is not None and plan.until != plan.due_at:
        yield Entry(plan.until, plan, Schedule.Step.UNPIN)
    if plan.repeat:
        at = max(plan.due_at, start - timedelta(seconds=1))
        for _ in range(MOST):
            at = steps.next_time(plan.repeat, plan.zone, at)
            if at >= end:
                return
            yield Entry(at, plan, Schedule.Step.PIN)
