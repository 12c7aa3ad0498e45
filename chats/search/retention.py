"""Forgetting: an instance may keep its messages for so many days and no longer."""

import logging
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from chats.models import Message
from chats.search.index import catch_up
from instances.models import MOST_KEEP_DAYS, Instance
from portal import clock

# Small enough that nobody who wants to write meanwhile waits for long.
BATCH = 1_000
# Nobody holds all of them while the portal is down: then others come next time.
OF_NOBODY = 1_000
# Who asks how many would go waits for no more than this to be counted.
COUNTED = 100_000
QUIET = timedelta(days=7)
# Of these the latest counts: a history comes in newest first.
NEWEST = 1_000

log = logging.getLogger(__name__)
_STARTED_AT = clock.steady()
_told: list[bool] = []


def forget_in_time(holder: str = "", limit: int = 20 * BATCH) -> int:
    """`forget_old`, unless the clock may be wrong: what it takes for years old would be gone for good.

    It may when it has leapt ahead, and in a process's first day when WhatsApp, whose time messages bear, has said
    nothing for a week: a machine may have started with a clock that is years ahead.
    """
    if clock.doubted(clock.A_DAY) or _quiet_since_start():
        return 0
    return forget_old(holder, limit)


def _quiet_since_start() -> bool:
    if clock.steady() - _STARTED_AT > clock.A_DAY.total_seconds():
        return False
    newest = Message.objects.order_by("-pk").values_list("sent_at", flat=True)[:NEWEST]
    last = max(newest, default=None)
    if last is None or last > timezone.now() - QUIET:
        return False
    if not _told and Instance.objects.exclude(keep_days=None).exists():
        _told.append(True)
        log.warning(
            "it is %s by this machine's clock, and the newest messages are of %s. If that is wrong, "
            "set the clock right: for a day from now nothing is forgotten",
            f"{timezone.now():%F}", f"{last:%F}",
        )  # fmt: skip
    return True


def forget_old(holder: str = "", limit: int = 20 * BATCH) -> int:
    """Delete up to `limit` messages that are older than their instance keeps them; how many that were.

    Of the instances that the connector `holder` holds, or of some that nobody holds: a question
    an instance, which is too much for one connector to ask of a million.
    For the housekeeping: called again and again, it gets through any amount.
    Pins of the messages and what the index knows of them go with them; what was planned for them is reported.
    """
    gone = 0
    # A number that is no limit, whoever wrote it, is no reason to delete what nobody brings back.
    limited = Instance.objects.filter(owner=holder, keep_days__range=(1, MOST_KEEP_DAYS))
    mine = limited.values_list("pk", "keep_days")
    for instance, days in mine if holder else mine.order_by("?")[:OF_NOBODY]:
        while gone < limit:
            batch = _forget(instance, days or MOST_KEEP_DAYS, min(BATCH, limit - gone))
            gone += batch
            if batch < BATCH:
                break
    return gone


def count_older(instance: Instance, days: int) -> int:
    """How many messages a limit of so many days would delete by now; COUNTED + 1 when there are more than COUNTED."""
    return _older(instance.pk, days)[: COUNTED + 1].count()


def _older(instance: int, days: int) -> QuerySet[Message]:
    # By way of the chats: their messages are indexed by time.
    return Message.objects.filter(chat__instance=instance, sent_at__lt=timezone.now() - timedelta(days=days))


@transaction.atomic
def _forget(instance: int, days: int, limit: int) -> int:
    keys = list(_older(instance, days).values_list("pk", flat=True)[:limit])
    if keys:
        # Schedules read messages, and those this package: loaded when it is needed.
        from chats.schedule.losing import lose

        # Who is just planning something for one of them is waited for, or finds that it is gone: else its plan would
        # go unreported. (no_key: who pins one, and holds its chat, for which we wait next, need not wait for us.)
        list(Message.objects.select_for_update(no_key=True).filter(pk__in=keys).order_by("pk").values_list("pk"))
        lose(keys)
        Message.objects.filter(pk__in=keys).delete()
        catch_up()
    return len(keys)
