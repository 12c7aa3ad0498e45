"""Batches as pages show them: how far each is, and what came of its messages."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import Http404

from chats.errands import batch as rules
from chats.models import Batch, BatchItem, Message
from chats.selectors.places import following
from instances import access

PAGE = 30
ITEMS = 100


@dataclass(frozen=True, slots=True)
class Progress:
    """One batch, and how far it is."""

    batch: Any
    counts: dict[str, int]
    may_pin: bool

    @property
    def over(self) -> int:
        """How many messages have had their turn."""
        return self.counts["total"] - self.counts["waiting"]

    @property
    def minutes_left(self) -> int:
        """How long the rest takes at the usual pace, at least one."""
        left: timedelta = settings.BATCH_PACE * self.counts["waiting"]
        return max(1, round(left.total_seconds() / 60))


def recent(user: access.User, before: int | None = None, rows: int = PAGE) -> tuple[list[Progress], int | None]:
    """So many of the batches on the instances a person may see, the newest first, and where the next page begins."""
    found = _visible(user)
    if before is not None:
        found = found.filter(pk__lt=before)
    batches = list(found.order_by("-pk")[: rows + 1])
    counts = rules.counts([batch.pk for batch in batches[:rows]])
    shown = [Progress(batch, counts[batch.pk], access.may_pin(batch)) for batch in batches[:rows]]
    return shown, batches[rows - 1].pk if len(batches) > rows else None


def find(user: access.User, uid: Any) -> Progress:
    """One of them. Raises Http404."""
    batch = _visible(user).filter(uid=uid).first()
    if batch is None:
        raise Http404
    return Progress(batch, rules.counts([batch.pk])[batch.pk], access.may_pin(batch))


def items_of(batch: Batch, after: int = 0, rows: int = ITEMS) -> tuple[list[BatchItem], int | None]:
    """So many of a batch's messages in their order, and where the next page begins."""
    found = batch.items.select_related("message__chat", "message__instance", "message__pin")
    return following(found, rows, after)


def messages_for(user: access.User, keys: list[int]) -> list[Any]:
    """Those of the messages that a person may see, each with their `role` there."""
    role = access.role_of(user, "instance__account", "instance")
    found = Message.objects.annotate(role=role).filter(role__isnull=False, pk__in=keys)
    return list(found.exclude(kind__in=Message.ACTIONS).select_related("chat", "instance__account"))


def _visible(user: access.User) -> Any:
    role = access.role_of(user, "instance__account", "instance")
    found = Batch.objects.annotate(role=role).filter(role__isnull=False)
    return found.select_related("instance__account")
