"""The book of deliveries: what is due at which address, and what came of each attempt.

Plain database work, each function a short transaction; the worker calls them
on its threads.
"""

import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, Min, OuterRef, Q, QuerySet
from django.utils import timezone

from instances.events.models import FARTHEST_REST, Attempt, Delivery, OutgoingEvent, Webhook
from portal import clock

HAND_OUT = 500
# The wait before the second attempt is WEBHOOK_FIRST_WAIT, and doubles from there up to this.
LONGEST_WAIT = timedelta(hours=1)
# After so many failures in a row the address is given a rest, and then tried with one event.
FAILURES_BEFORE_REST = 5
FIRST_REST = timedelta(seconds=30)
LONGEST_REST = timedelta(minutes=10)
ERASED_AT_ONCE = 1000
# A wait or a rest is up to a fifth longer, so that not all come at once.
FARTHEST_WAIT = 2 * LONGEST_WAIT


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one request."""

    status: int | None
    milliseconds: int
    error: str = ""
    answer: str = ""

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it: any 2xx, and nothing else."""
        return self.status is not None and 200 <= self.status < 300


def hand_out() -> set[UUID]:
    """Make a delivery of each waiting event for each webhook that wants it; returns those webhooks."""
    waiting = OutgoingEvent.objects.filter(handed_out=False)
    if not waiting.exists():
        return set()  # Without taking SQLite's write lock just to see nothing.
    with transaction.atomic():
        # Whoever comes second waits: past what the first is handing out, newer events would go out before older ones.
        events = list(waiting.select_for_update().order_by("pk").only("instance", "kind", "at")[:HAND_OUT])
        webhooks = defaultdict(list)
        for webhook in Webhook.objects.filter(instance__in={event.instance_id for event in events}):
            webhooks[webhook.instance_id].append(webhook)
        now = timezone.now()
        made = [
            Delivery(webhook=webhook, event=event, due_at=now, give_up_at=now + settings.WEBHOOK_RETRY)
            for event in events
            for webhook in webhooks[event.instance_id]
            if event.kind in webhook.events and _hears_of(webhook, event, now)
        ]
        Delivery.objects.bulk_create(made, ignore_conflicts=True)
        taken = {delivery.event_id for delivery in made}
        OutgoingEvent.objects.filter(pk__in=taken).update(handed_out=True)
        OutgoingEvent.objects.filter(pk__in={event.pk for event in events} - taken).delete()
    return {delivery.webhook.uid for delivery in made}


def due_webhooks() -> set[UUID]:
    """The webhooks that something is due at."""
    now = timezone.now()
    waiting = Delivery.objects.filter(_is_due(now), webhook=OuterRef("pk"), state=Delivery.State.PENDING)
    found = _reachable(now).filter(Exists(waiting))
    return set(found.values_list("uid", flat=True))


def lag() -> float:
    """For how many seconds the oldest delivery waits that could be made now; 0 without one."""
    now = timezone.now()
    waiting = Delivery.objects.filter(_is_due(now), state=Delivery.State.PENDING, webhook__in=_reachable(now))
    oldest = waiting.aggregate(oldest=Min("due_at"))["oldest"]
    return 0.0 if oldest is None else max(0.0, float((now - oldest).total_seconds()))


def due(uid: UUID, limit: int) -> list[Delivery]:
    """What is due at a webhook, the oldest first; one alone while it must show that it works again."""
    now = timezone.now()
    webhook = _reachable(now).filter(uid=uid).select_related("instance").first()
    if webhook is None:
        return []
    found = Delivery.objects.filter(_is_due(now), webhook=webhook, state=Delivery.State.PENDING)
    found = found.select_related("event").order_by("event_id")
    deliveries = list(found[: 1 if webhook.failures >= FAILURES_BEFORE_REST else limit])
    for delivery in deliveries:
        delivery.webhook = webhook
    return deliveries


def note(delivery: Delivery, outcome: Outcome) -> bool:
    """Write down what came of an attempt. False when the address is to be left alone for a while."""
    with transaction.atomic():
        now = timezone.now()
        Attempt.objects.create(
            delivery=delivery,
            at=now,
            status=outcome.status,
            milliseconds=outcome.milliseconds,
            error=outcome.error[:300],
            answer=outcome.answer[:500],
        )
        mine = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.PENDING)
        if outcome.delivered:
            mine.update(state=Delivery.State.DELIVERED, settled_at=now, tries=delivery.tries + 1)
            _note_success(delivery.webhook_id, now)
            return True
        due_at = now + wait_after(delivery.tries + 1)
        if due_at < delivery.give_up_at or clock.doubted(clock.A_DAY):
            mine.update(tries=delivery.tries + 1, due_at=due_at)
        else:
            mine.update(state=Delivery.State.DEAD, settled_at=now, tries=delivery.tries + 1)
        return _note_failure(delivery.webhook_id, now)


def wait_after(tries: int) -> timedelta:
    """How long to wait after so many attempts that failed: doubling, and a little apart from all others."""
    first: timedelta = settings.WEBHOOK_FIRST_WAIT
    return min(first * (1 << min(tries - 1, 30)), LONGEST_WAIT) * random.uniform(0.8, 1.2)  # noqa: S311  # no secret


def rest_after(failures: int) -> timedelta:
    """How long an address is left alone after so many failures in a row; nothing while there are few."""
    if failures < FAILURES_BEFORE_REST:
        return timedelta()
    return min(FIRST_REST * (1 << min(failures - FAILURES_BEFORE_REST, 30)), LONGEST_REST) * random.uniform(0.8, 1.2)  # noqa: S311  # no secret


def give_up() -> int:
    """Give up what could not be delivered in time, wherever it waited; returns how many."""
    if clock.doubted(clock.A_DAY):
        return 0
    now = timezone.now()
    late = Delivery.objects.filter(state=Delivery.State.PENDING, give_up_at__lte=now)
    return late.update(state=Delivery.State.DEAD, settled_at=now)


def forget_old() -> int:
    """Delete what was settled WEBHOOK_LOG_DAYS ago, given up or not; returns how many deliveries."""
    if clock.doubted(clock.A_DAY):
        return 0
    before = timezone.now() - timedelta(days=settings.WEBHOOK_LOG_DAYS)
    old = Delivery.objects.filter(settled_at__lt=before).values_list("pk", flat=True)[:ERASED_AT_ONCE]
    deleted = Delivery.objects.filter(pk__in=list(old)).delete()[1].get("instances.Delivery", 0)
    left = OutgoingEvent.objects.filter(handed_out=True, at__lt=before, deliveries=None)
    OutgoingEvent.objects.filter(pk__in=list(left.values_list("pk", flat=True)[:ERASED_AT_ONCE])).delete()
    return deleted


def _reachable(now: datetime) -> QuerySet[Webhook]:
    """Neither paused by a person nor given a rest."""
    rested = Q(resting_until=None) | clock.passed("resting_until", now, FARTHEST_REST)
    return Webhook.objects.filter(rested, active=True)


def _hears_of(webhook: Webhook, event: OutgoingEvent, now: datetime) -> bool:
    """Whether it was there when that happened; one that is made later than now, before the clock was set back."""
    return webhook.created_at <= event.at or webhook.created_at > now + clock.SLACK


def _is_due(now: datetime) -> Q:
    return clock.passed("due_at", now, FARTHEST_WAIT)


def _note_success(webhook: int, now: datetime) -> None:
    # Most of the time there is nothing to write.
    failing = Webhook.objects.filter(pk=webhook, failures__gt=0).values_list("failures", flat=True).first()
    if failing is None:
        return
    Webhook.objects.filter(pk=webhook).update(failures=0, resting_until=None)
    if failing >= FAILURES_BEFORE_REST:
        # It is back: what waits for a later attempt need not wait any more.
        Delivery.objects.filter(webhook=webhook, state=Delivery.State.PENDING, due_at__gt=now).update(due_at=now)


def _note_failure(webhook: int, now: datetime) -> bool:
    row = Webhook.objects.filter(pk=webhook)
    if connection.features.has_select_for_update:
        row = row.select_for_update()
    failures = (row.values_list("failures", flat=True).first() or 0) + 1
    rest = rest_after(failures)
    Webhook.objects.filter(pk=webhook).update(failures=failures, resting_until=now + rest if rest else None)
    return not rest
