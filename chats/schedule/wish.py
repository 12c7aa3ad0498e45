"""Making, finding and cancelling schedules: the rules, for REST and pages alike."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from itertools import pairwise
from uuid import UUID

from cronsim import CronSim, CronSimError
from django.db import transaction
from django.utils import timezone

from chats import news, pins
from chats.errors import MessageNotFound, RequestError
from chats.events import of_schedule
from chats.faults import Faulty
from chats.models import Message, Schedule
from chats.pinbook import Asker
from chats.schedule import steps
from instances.models import Instance
from portal import audit
from portal.middleware import zone_named

# A pin that comes more often than this is spam to those in the chat.
SELDOM = timedelta(hours=1)
FARTHEST = timedelta(days=5 * 366)
# A client's "now" may be a little old when it gets here.
SLACK = timedelta(minutes=1)
MOST_A_MESSAGE = 10
# Of one instance. Of those who wish at the same moment, a few more may come through.
MOST_WAITING = 1_000


class Fault(Enum):
    """What is wrong with a wish."""

    NO_TIME = auto()
    NOT_AHEAD = auto()
    ENDS_FIRST = auto()
    MIXED = auto()
    ZONE = auto()
    REPEAT = auto()
    TOO_OFTEN = auto()
    TOO_MANY = auto()
    TOO_MANY_HERE = auto()


class InvalidSchedule(Faulty):
    """A wish that cannot be."""


class ScheduleNotFound(RequestError):
    """No schedule of this instance has the id."""

    def __init__(self) -> None:
        super().__init__("Schedule not found")


class ScheduleOver(RequestError):
    """There is nothing left to cancel."""

    def __init__(self) -> None:
        super().__init__("Schedule is over already: there is nothing left to cancel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A wish as it was put: one of `pin_at`, `repeat` and `unpin_at`, or none (at once) with `until` or `stay`."""

    pin_at: datetime | None = None
    unpin_at: datetime | None = None
    repeat: str = ""
    # Of what repeats: not before then. The pages' form alone has it.
    begins: datetime | None = None
    zone: str = ""
    # Seconds, one of WhatsApp's.
    duration: int | None = None
    until: datetime | None = None
    stay: bool = False


def make(message: Message, wanted: Wanted, asker: Asker) -> Schedule:
    """Write a schedule down; the same wish again, while it waits, is the one that is there.

    Raises InvalidSchedule, CannotBePinned, or MessageNotFound: it is not kept here any more.
    """
    now = timezone.now()
    _check(wanted, now)
    if wanted.unpin_at is None:
        pins.check(message)
    wish: dict[str, object] = {
        "message": message,
        "pinning": wanted.unpin_at is None,
        "starts_at": wanted.unpin_at or wanted.pin_at or wanted.begins,
        "repeat": wanted.repeat,
        "zone": wanted.zone or "UTC",
        "duration": wanted.duration,
        "until": wanted.until,
        "stay": wanted.stay,
    }
    schedule = Schedule(**wish, actor=asker.words[:200], token=asker.token, created_at=now)
    # The minute that was chosen may have begun while the form was sent: it counts, as for a pin that comes once.
    since = min(now, wanted.begins - steps.A_MOMENT) if wanted.begins else now
    schedule.step, schedule.due_at = steps.first(schedule, since)
    schedule.try_at = schedule.due_at
    with transaction.atomic():
        # Of two who wish the same at once, the second finds what the first has written.
        if not list(Message.objects.select_for_update().filter(pk=message.pk).values_list("pk")):
            raise MessageNotFound(message.message_id)
        waiting = Schedule.objects.filter(message=message, state=Schedule.State.WAITING)
        same = waiting.filter(**wish).first()
        if same is not None:
            return same
        if waiting.count() >= MOST_A_MESSAGE:
            words = f"a message may have {MOST_A_MESSAGE} schedules that wait: cancel one first"
            raise InvalidSchedule(Fault.TOO_MANY, words, for_now=True)
        of_instance = Schedule.objects.filter(message__instance=message.instance_id, state=Schedule.State.WAITING)
        if of_instance.count() >= MOST_WAITING:
            words = f"an instance may have {MOST_WAITING} schedules that wait: cancel one first"
            raise InvalidSchedule(Fault.TOO_MANY_HERE, words, for_now=True)
        schedule.save()
        _note(schedule, "made", asker)
    return schedule


def cancel(schedule: Schedule, asker: Asker) -> None:
    """Let nothing more come of it; what was pinned stays pinned. Again: nothing happens. Raises ScheduleOver."""
    with transaction.atomic():
        stopped = Schedule.objects.filter(pk=schedule.pk, state=Schedule.State.WAITING).update(
            state=Schedule.State.CANCELLED, due_at=None, try_at=None
        )
        schedule.refresh_from_db()
        if stopped:
            _note(schedule, "cancelled", asker)
    if not stopped and schedule.state != Schedule.State.CANCELLED:
        raise ScheduleOver


def _note(schedule: Schedule, change: str, asker: Asker) -> None:
    """Write the audit's line and the event, in the transaction of what they tell of."""
    news.schedule_changed(of_schedule(schedule, change, asker.words))
    action, instance = f"schedule {change}", schedule.message.instance
    target = f"{instance.name}: {schedule.message.message_id}"
    due = f" at {schedule.due_at.isoformat()}" if schedule.due_at else ""
    detail = f"{schedule.step}{due}{', ' + schedule.repeat if schedule.repeat else ''}"
    if asker.token is not None:
        audit.record_token(asker.token, action, target, detail=detail)
    else:
        audit.record_work(asker.words, action, target, account=instance.account, detail=detail)


def find(instance: Instance, uid: UUID) -> Schedule:
    """A schedule of this instance. Raises ScheduleNotFound."""
    found = Schedule.objects.select_related("message__chat", "message__instance")
    schedule = found.filter(message__instance=instance, uid=uid).first()
    if schedule is None:
        raise ScheduleNotFound
    return schedule


def _check(wanted: Wanted, now: datetime) -> None:
    starts = [bool(wanted.pin_at), bool(wanted.unpin_at), bool(wanted.repeat)]
    lasting = wanted.until is not None or wanted.stay
    timed = wanted.duration is not None
    later = (
        ("pinAt", wanted.pin_at),
        ("unpinAt", wanted.unpin_at),
        ("the first time", wanted.begins),
        ("until", wanted.until),
    )
    far = "must be in the future, and within five years"
    wrong = [(Fault.NOT_AHEAD, f"{name} {far}") for name, at in later if at and not _ahead(at, now)]
    for refused, fault, words in (
        (sum(starts) > 1, Fault.MIXED, "send one of pinAt, unpinAt and repeat, not several"),
        (
            not (any(starts) or lasting),
            Fault.NO_TIME,
            "send pinAt, unpinAt, repeat or until: there is nothing to wait for",
        ),
        (wanted.unpin_at and (lasting or timed), Fault.MIXED, "unpinAt goes alone: to pin until a time, send until"),
        (wanted.repeat and lasting, Fault.MIXED, "repeat goes with duration, not with until: each pin ends by itself"),
        (
            (wanted.repeat or wanted.pin_at) and not lasting and not timed,
            Fault.NO_TIME,
            'duration is required: "24h", "7d" or "30d"; or send until',
        ),
        (wanted.until and timed, Fault.MIXED, "until goes without duration: the portal chooses what it takes"),
        (wanted.until and wanted.until <= (wanted.pin_at or now), Fault.ENDS_FIRST, "until must be later than the pin"),
        (
            wanted.zone and zone_named(wanted.zone) is None,
            Fault.ZONE,
            "timeZone must be a name such as America/Sao_Paulo",
        ),
    ):
        wrong += [(fault, words)] if refused else []
    if wrong:
        raise InvalidSchedule(*wrong[0])
    if wanted.repeat:
        _check_repeat(wanted.repeat, wanted.zone or "UTC", now)


def _ahead(at: datetime, now: datetime) -> bool:
    return now - SLACK <= at <= now + FARTHEST


def _check_repeat(repeat: str, zone: str, now: datetime) -> None:
    words = 'repeat must be five fields of cron, such as "0 9 * * 1-5": minute, hour, day, month, day of the week'
    if len(repeat) > 100 or len(repeat.split()) != 5:
        raise InvalidSchedule(Fault.REPEAT, words)
    try:
        times = CronSim(repeat, now.astimezone(zone_named(zone)))
        coming = [time for time, _ in zip(times, range(25), strict=False)]
    except CronSimError as error:
        raise InvalidSchedule(Fault.REPEAT, f"{words} ({error})") from None
    if not coming:
        raise InvalidSchedule(Fault.REPEAT, "repeat names a day that never comes")
    if any(later - earlier < SELDOM for earlier, later in pairwise(coming)):
        raise InvalidSchedule(Fault.TOO_OFTEN, "repeat must leave an hour between two pins")
