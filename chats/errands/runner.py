"""The worker's turn at an instance's batches: the oldest first, one message at a time, at a gentle pace."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_noop

from chats import news
from chats.claims import claim
from chats.errands import batch as rules
from chats.errands.carry import Came, carry_out, free
from chats.models import Batch, BatchItem
from chats.pinbook import Asker, Wish
from instances.states import State as Connection
from portal import clock

# While the instance is not connected or busy, look again after this.
AGAIN = timedelta(seconds=5)
# WhatsApp refused so many in a row, or did not confirm them: more of the same would make it worse.
TOO_MUCH = 5
# With no pace at all, one turn still comes to an end.
MOST_A_TURN = 100

AWAY = gettext_noop("The instance was not connected. Resume it when it is.")
NO_RIGHT = gettext_noop("Who asked for it may not pin here any more.")
TROUBLE = gettext_noop("WhatsApp refused several in a row, or did not confirm them.")


def due_instances(now: datetime) -> list[int]:
    """The instances at which something of a batch may be done now."""
    come = clock.passed("try_at", now, _farthest())
    due = Batch.objects.filter(come, state=Batch.State.RUNNING, instance__going_at=None)
    return list(due.order_by().values_list("instance", flat=True).distinct())


def run_instance(instance: int, now: datetime | None = None, stopped: Callable[[], bool] = lambda: False) -> int:
    """Carry out what is due of the instance's oldest batch; returns how many messages were taken on."""
    done = 0
    while done < MOST_A_TURN and not stopped() and _one(instance, now or timezone.now()):
        done += 1
    return done


def _farthest() -> timedelta:
    """How far ahead the next try is at most when it is set."""
    return max(AGAIN, settings.BATCH_PACE)


def _one(instance: int, now: datetime) -> bool:
    """Take on the next message, if it is time; False when there is nothing to do now."""
    running = Batch.objects.filter(instance=instance, state=Batch.State.RUNNING)
    batch = running.select_related("instance__account", "token", "user").order_by("pk").first()
    if batch is None or clock.ahead(batch.try_at, now, _farthest()) or not _may_send(batch, now):
        return False
    item = batch.items.filter(free(now)).select_related("message__chat", "message__instance").order_by("pk").first()
    if item is None:
        if not batch.items.filter(state=BatchItem.State.WAITING).exists():
            rules.finish(batch)
            return _one(instance, now)
        return _put_off(batch, now)
    # Compare and swap: whoever moves the clock has the turn.
    turn = Batch.objects.filter(pk=batch.pk, state=Batch.State.RUNNING, try_at=batch.try_at)
    if not turn.update(try_at=now + settings.BATCH_PACE) or not claim(item, now):
        return False
    asker = Asker(batch.actor, batch.token)
    came = carry_out(item, Wish(batch.duration), asker, now, only_pinned=batch.action != Batch.Action.PIN)
    return _after(batch, came, now)


def _may_send(batch: Batch, now: datetime) -> bool:
    if not rules.may_go_on(batch):
        rules.stop_itself(batch, NO_RIGHT)
        return False
    if batch.instance.state == Connection.CONNECTED:
        if batch.waiting_since is not None:
            Batch.objects.filter(pk=batch.pk).update(waiting_since=None)
        return True
    since = batch.waiting_since or now
    if now - since > settings.SCHEDULE_LATE:
        rules.stop_itself(batch, AWAY)
    else:
        Batch.objects.filter(pk=batch.pk).update(waiting_since=since, try_at=now + AGAIN)
    return False


def _after(batch: Batch, came: Came, now: datetime) -> bool:
    """Draw the conclusions of one message; False when the batch has to wait."""
    mine = Batch.objects.filter(pk=batch.pk)
    if came is Came.NOT_NOW:
        return _put_off(batch, now)
    if came is Came.TROUBLE:
        mine.update(trouble=F("trouble") + 1)
        if batch.trouble + 1 >= TOO_MUCH:
            rules.stop_itself(batch, TROUBLE)
    elif batch.trouble:
        mine.update(trouble=0)
    news.batch_moved(batch)
    if not batch.items.filter(state=BatchItem.State.WAITING).exists():
        rules.finish(batch)
    return True


def _put_off(batch: Batch, now: datetime) -> bool:
    Batch.objects.filter(pk=batch.pk).update(try_at=now + AGAIN)
    return False
