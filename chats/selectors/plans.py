"""What is planned for pins, as pages show it: of one message, and over all chats by the day."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from chats.models import LostSchedule, Schedule
from chats.schedule.losing import SHOWN
from chats.selectors.places import beginning
from instances import access

PAGE = 200


def of_message(message: Any) -> list[Schedule]:
    """All that was ever planned for a message: what waits first, then the newest."""
    found = list(Schedule.objects.filter(message=message).order_by("-pk")[:PAGE])
    return sorted(found, key=lambda one: (one.state != Schedule.State.WAITING, one.due_at or one.created_at))


def coming(user: access.User) -> tuple[list[Any], bool]:
    """What is planned on the instances a person may see, the soonest first; and whether there is more than that."""
    return beginning(waiting(user), PAGE)


def waiting(user: access.User) -> QuerySet[Any]:
    """All of it."""
    role = access.role_of(user, "message__instance__account", "message__instance")
    found: QuerySet[Any] = Schedule.objects.annotate(role=role).filter(role__isnull=False, state=Schedule.State.WAITING)
    found = found.select_related("message__chat", "message__instance").defer("message__data")
    return found.order_by("due_at", "pk")


def lost(user: access.User) -> list[Any]:
    """What was planned for messages that were forgotten lately, the newest first."""
    role = access.role_of(user, "instance__account", "instance")
    found = LostSchedule.objects.annotate(role=role).filter(role__isnull=False, at__gt=timezone.now() - SHOWN)
    return list(found.select_related("instance").order_by("-at", "-pk")[:PAGE])
