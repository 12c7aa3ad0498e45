"""What a schedule's next step is, and when. Nothing here reads or writes the database."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from chats.models import Schedule
from chats.pins import DURATIONS

# What WhatsApp itself offers first; a portal that is down for less keeps the pin.
USUAL = DURATIONS["7d"]
LONGEST = DURATIONS["30d"]
# The time at which it begins is one of its times.
A_MOMENT = timedelta(seconds=1)

Step = Schedule.Step
Next = tuple[Schedule.Step, datetime]


def first(schedule: Schedule, now: datetime) -> Next:
    """The step a new schedule begins with."""
    if schedule.repeat:
        return Step.PIN, next_pin(schedule, now)
    return (Step.PIN if schedule.pinning else Step.UNPIN), schedule.starts_at or now


def after_pin(schedule: Schedule, expires_at: datetime, now: datetime) -> Next | None:
    """The step after one that pinned, now that the pin runs until `expires_at`. None: it was the last."""
    if schedule.repeat:
        return Step.PIN, next_pin(schedule, now)
    gone = schedule.message.disappears_at
    if gone is not None and gone <= expires_at:
        return None  # No renewal lets it outlive its message.
    if schedule.until is not None and schedule.until <= expires_at:
        return Step.UNPIN, schedule.until
    if not schedule.stay and schedule.until is None:
        return None
    ahead = margin(duration_of(schedule, now))
    # A clock that is wrong must not make us renew without end.
    return Step.RENEW, max(expires_at - ahead, now + ahead)


def duration_of(schedule: Schedule, now: datetime) -> int:
    """Seconds to pin for: as wished, else the shortest of WhatsApp's that is long enough."""
    if schedule.duration is not None:
        return schedule.duration
    if schedule.until is None:
        return USUAL
    left = (schedule.until - now).total_seconds()
    return next((seconds for seconds in sorted(DURATIONS.values()) if seconds >= left), LONGEST)


def margin(duration: int) -> timedelta:
    """How long before its end a pin is renewed: an hour of a day, a day of a month."""
    return timedelta(seconds=duration // 24)


def next_pin(schedule: Schedule, now: datetime) -> datetime:
    """The next time of one that repeats: after `now`, and not before it begins."""
    begins = now if schedule.starts_at is None else max(now, schedule.starts_at - A_MOMENT)
    return next_time(schedule.repeat, schedule.zone, begins)


def next_time(repeat: str, zone: str, now: datetime) -> datetime:
    """The next time after `now` that a cron expression names in a zone. Raises StopIteration when there is none.

    Around a change of the clocks it is as Debian's cron has it: what falls into
    the hour that is left out happens right after it, and nothing happens twice.
    """
    return next(CronSim(repeat, now.astimezone(ZoneInfo(zone)))).astimezone(UTC)
