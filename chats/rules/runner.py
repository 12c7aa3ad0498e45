"""The worker's turn at what rules found: each message pinned once, through the same service as all pins."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_noop

from chats import news
from chats.claims import claim
from chats.errands.carry import Came, carry_out, free
from chats.events import of_rule
from chats.models import RuleHit
from chats.pinbook import Asker, Wish
from chats.rules.notice import name_of
from chats.schedule.runner import LATE
from instances.states import State as Connection
from portal import clock

AGAIN = timedelta(seconds=5)
BATCH = 10

OFF = gettext_noop("The rule was switched off meanwhile.")
State = RuleHit.State


def due_instances(now: datetime) -> list[int]:
    """The instances at which a rule found something."""
    due = RuleHit.objects.filter(free(now), _is_time(now), instance__going_at=None)
    return list(due.order_by().values_list("instance", flat=True).distinct())


def run_instance(instance: int, now: datetime | None = None, stopped: Callable[[], bool] = lambda: False) -> int:
    """Pin what rules found at one instance, the oldest first; returns how many were taken on."""
    moment = now or timezone.now()
    due = RuleHit.objects.filter(free(moment), _is_time(moment), instance=instance).order_by("try_at", "pk")
    done = 0
    for hit in due.select_related("rule__token", "rule__instance", "message__chat", "message__instance")[:BATCH]:
        if stopped():
            break
        now_ = now or timezone.now()
        done += claim(hit, now_) and _take_on(hit, now_)
    return done


def _is_time(now: datetime) -> Q:
    return clock.passed("try_at", now, AGAIN)


def _take_on(hit: RuleHit, now: datetime) -> bool:
    if not hit.rule.active:
        return _skip(hit, OFF, now)
    connected = hit.message is None or hit.message.instance.state == Connection.CONNECTED
    if not connected and now - hit.found_at > settings.SCHEDULE_LATE:
        return _skip(hit, LATE, now)
    if not connected:
        RuleHit.objects.filter(pk=hit.pk, attempt=hit.attempt).update(try_at=now + AGAIN, claimed_until=None)
        return False
    asker = Asker(name_of(hit.rule), hit.rule.token)
    came = carry_out(hit, Wish(hit.rule.duration), asker, now, ended=lambda _: _tell(hit))
    if came is Came.NOT_NOW:
        RuleHit.objects.filter(pk=hit.pk, state=State.WAITING).update(try_at=now + AGAIN)
    return came is not Came.NOT_NOW


def _skip(hit: RuleHit, why: str, now: datetime) -> bool:
    ended = {"state": State.SKIPPED, "detail": why, "at": now, "claimed_until": None}
    with transaction.atomic():
        if RuleHit.objects.filter(pk=hit.pk, state=State.WAITING, attempt=hit.attempt).update(**ended):
            hit.state, hit.detail = State.SKIPPED, why
            _tell(hit)
    return True


def _tell(hit: RuleHit) -> None:
    change = "pinned" if hit.state == State.DONE else hit.state
    news.rules_changed([of_rule(hit.rule, change, name_of(hit.rule), hit)])
