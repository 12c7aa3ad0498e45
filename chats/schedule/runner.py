"""Carrying schedules out: once each, whoever runs, whatever dies.

A runner claims a row by compare-and-set and gives the step an attempt of its
own before anything is sent. `chats.pinbook` opens an attempt once, so that a
runner who takes over from a dead one, or one that was only thought dead, sends
nothing twice and hears what came of the first. What is too late to pin is
noted in the pin's history, never silently dropped.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Min, Q
from django.utils import timezone
from django.utils.translation import gettext_noop

from chats import news, pinbook, pins
from chats.claims import claim, unclaimed
from chats.errors import CannotBePinned
from chats.events import of_schedule
from chats.models import Pin, PinEvent, Schedule
from chats.pinbook import Asker, Wish
from chats.schedule import steps
from instances.states import State as Connection
from instances.whatsapp.errors import Busy, NotConfirmed, NotConnected, WhatsAppError
from portal import clock

State = Schedule.State
Step = Schedule.Step

# When the instance is not connected, or is busy: look again after this, later each time, up to the second.
SOONEST, SLOWEST = timedelta(seconds=5), timedelta(minutes=1)
# When nobody knows what came of a renewal or an unpin, it is done again after this.
UNSURE = timedelta(minutes=10)
# Then it is another instance's turn: of many that are due at once, none waits for all of another one's.
BATCH = 10

LATE = gettext_noop("It was too late: the instance was not connected in time.")
UNPINNED = gettext_noop("It was unpinned meanwhile.")


def due_instances(now: datetime) -> list[int]:
    """The instances something is due at."""
    return list(_due(now).order_by().values_list("message__instance", flat=True).distinct())


def mend() -> int:
    """Bring forward what repeats and was put off by a clock that was ahead; returns how much.

    Its next time is the first after now, never later; but not before it begins.
    """
    now, mended = timezone.now(), 0
    repeating = Schedule.objects.filter(unclaimed(now), state=State.WAITING, due_at__gt=now).exclude(repeat="")
    for schedule in repeating.only("repeat", "zone", "starts_at", "due_at"):
        following = steps.next_pin(schedule, now)
        if schedule.due_at is not None and schedule.due_at > following:
            same = Schedule.objects.filter(pk=schedule.pk, state=State.WAITING, due_at=schedule.due_at)
            mended += same.update(due_at=following, try_at=following)
    return mended


def lag() -> float:
    """For how many seconds the oldest step is overdue that could be taken; 0 without one."""
    now = timezone.now()
    oldest = _due(now).aggregate(oldest=Min("try_at"))["oldest"]
    return 0.0 if oldest is None else max(0.0, float((now - oldest).total_seconds()))


def run_instance(instance: int, now: datetime | None = None, stopped: Callable[[], bool] = lambda: False) -> int:
    """Carry out up to BATCH of what is due at one instance, the longest due first; returns how many steps it took."""
    moment = now or timezone.now()
    due = _due(moment).filter(message__instance=instance).order_by("try_at", "pk")
    done = 0
    for schedule in due.select_related("message__chat", "message__instance", "token")[:BATCH]:
        if stopped():
            break
        claimed = claim(schedule, now or timezone.now(), try_at=schedule.try_at)
        done += claimed and _take_step(schedule, now or timezone.now())
    return done


def _due(now: datetime) -> Any:
    # An instance that is being deleted does nothing more.
    # Put off before the clock was set back: its time has come all the same.
    put_off = Q(due_at__lte=now, try_at__gt=now + UNSURE + clock.SLACK)
    come = Q(try_at__lte=now) | put_off
    return Schedule.objects.filter(unclaimed(now), come, state=State.WAITING, message__instance__going_at=None)


def _take_step(schedule: Schedule, now: datetime) -> bool:
    """Carry out a claimed row's step, or put it off; False when it was put off."""
    if schedule.step == Step.RENEW and schedule.until is not None and schedule.until <= now:
        schedule.step = Step.UNPIN
    begun = PinEvent.objects.filter(attempt=schedule.attempt).exists()
    if not begun and (done := _without_sending(schedule, now)) is not None:
        return done
    try:
        if schedule.step == Step.UNPIN:
            pins.unpin(schedule.message, asker(schedule))
        else:
            pins.pin(schedule.message, steps.duration_of(schedule, now), asker(schedule))
    except (NotConnected, Busy):
        return _put_off(schedule, now)
    except NotConfirmed as error:
        if schedule.step == Step.PIN:
            return _end_step(schedule, State.UNKNOWN, now, str(error))
        return _put_off(schedule, now, UNSURE)
    except (CannotBePinned, WhatsAppError) as error:
        return _end_step(schedule, State.FAILED, now, str(error), over=isinstance(error, CannotBePinned))
    return _end_step(schedule, State.DONE, now)


def _without_sending(schedule: Schedule, now: datetime) -> bool | None:
    """End a step, or put it off, if nothing is to be sent now; else None."""
    if schedule.step == Step.PIN and schedule.due_at:
        over = schedule.until is not None and schedule.until <= now
        if over or now - schedule.due_at > settings.SCHEDULE_LATE:
            pinbook.missed(schedule.message, Wish(steps.duration_of(schedule, now)), asker(schedule), LATE)
            return _end_step(schedule, State.MISSED, now, LATE, over=over)
    done = _is_so_already(schedule, now)
    if done is None and schedule.message.instance.state != Connection.CONNECTED:
        return _put_off(schedule, now)
    return done


def _is_so_already(schedule: Schedule, now: datetime) -> bool | None:
    """Look what became of the pin since the last step: end the step if there is nothing to send, else None."""
    if schedule.step == Step.PIN:
        return None
    pin = Pin.objects.filter(message=schedule.message).first()
    shown = pin is not None and pin.state in Pin.MAY_BE_SHOWN
    if schedule.step == Step.UNPIN:
        return None if shown else _end_step(schedule, State.DONE, now)
    if pin is not None and pin.state == Pin.State.UNPINNED:
        # Somebody took it away, or deleted the message: that is a stop too.
        return _end_step(schedule, State.DONE, now, UNPINNED, over=True)
    if pin is not None and pin.state == Pin.State.PINNED and pin.expires_at is not None:
        following = steps.after_pin(schedule, pin.expires_at, now)
        soon = now + steps.margin(steps.duration_of(schedule, now))
        if following is None or following[0] == Step.UNPIN or following[1] > soon:
            # Somebody renewed it by hand.
            return _end_step(schedule, State.DONE, now)
    return None


def asker(schedule: Schedule) -> Asker:
    """In whose name a schedule pins, for the pin's history."""
    return Asker(f"schedule by {schedule.actor}"[:200], schedule.token, schedule.attempt)


def _put_off(schedule: Schedule, now: datetime, wait: timedelta | None = None) -> bool:
    """Let the row go, to be tried again a little later."""
    overdue = now - (schedule.due_at or now)
    again = now + (wait or min(max(overdue / 10, SOONEST), SLOWEST))
    _write(schedule, step=schedule.step, try_at=again)
    return False


def _end_step(
    schedule: Schedule, outcome: Schedule.State, now: datetime, detail: str = "", *, over: bool = False
) -> bool:
    """Note what came of a step, and what comes next."""
    following = None if over else _following(schedule, outcome, now)
    fields: dict[str, Any] = {
        "last_step": schedule.step,
        "last_at": now,
        "last_outcome": outcome,
        "last_detail": detail[:300],
        "state": State.WAITING if following else outcome,
        "step": following[0] if following else schedule.step,
        "due_at": following[1] if following else None,
        "try_at": following[1] if following else None,
    }
    with transaction.atomic():
        if _write(schedule, **fields):
            news.schedule_changed(of_schedule(schedule, outcome, asker(schedule).words, detail))
    return True


def _following(schedule: Schedule, outcome: Schedule.State, now: datetime) -> steps.Next | None:
    if schedule.step == Step.UNPIN:
        return None
    if outcome is not State.DONE:
        # One pin of many that did not come about does not end the others.
        return steps.first(schedule, now) if schedule.repeat else None
    pin = Pin.objects.filter(message=schedule.message).first()
    ends = pin.expires_at if pin is not None and pin.expires_at is not None else now
    return steps.after_pin(schedule, ends, now)


def _write(schedule: Schedule, **fields: Any) -> bool:
    """Let the claim go and write, if it is still ours; False for one that was cancelled meanwhile, which stays so."""
    ours = Schedule.objects.filter(pk=schedule.pk, attempt=schedule.attempt)
    free = {"attempt": None, "claimed_until": None}
    if ours.filter(state=State.WAITING).update(**free, **fields):
        for name, value in fields.items():
            setattr(schedule, name, value)
        return True
    kept = {name: value for name, value in fields.items() if name.startswith("last_")}
    ours.update(**free, **kept)
    return False
