"""What the pages of instances show."""

from datetime import timedelta
from typing import Any

from django.db.models import Count, QuerySet
from django.utils import timezone

from chats.models import Message
from instances import access
from instances.models import Instance

# "Messages a minute" looks back this far.
RATE_WINDOW = timedelta(minutes=5)


def listed(user: access.User) -> QuerySet[Instance]:
    """All the reader may see, by account and name."""
    return access.visible_to(user).select_related("account").order_by("account__name", "name")


def messages_a_minute(instances: list[Instance]) -> dict[int, float]:
    """By instance: how many messages came or went, on the average of the last minutes."""
    since = timezone.now() - RATE_WINDOW
    # Two indexes meet: which chats are busy, and what is new in those.
    counted: Any = (
        Message.objects.filter(
            instance__in=instances,
            chat__instance__in=instances,
            chat__last_message_at__gte=since,
            sent_at__gte=since,
        )
        .values_list("instance")
        .annotate(number=Count("pk"))
    )
    return {pk: number / (RATE_WINDOW.total_seconds() / 60) for pk, number in counted}
