"""The history of pins over all chats: who did what, when, and how it ended."""

from dataclasses import dataclass
from typing import Any

from django.db.models import F, OuterRef, QuerySet

from chats.models import PinEvent
from chats.selectors.names import called
from chats.selectors.pins import actor_words
from instances import access

PAGE = 50
# That something was asked for goes without saying once its outcome is there.
SHOWN = [kind for kind in PinEvent.Kind if kind != PinEvent.Kind.ASKED]


@dataclass(frozen=True, slots=True)
class Line:
    """One line, with its message and chat."""

    event: Any
    who: str

    @property
    def message(self) -> Any:
        """The message it is about."""
        return self.event.pin.message


def recent(
    user: access.User,
    *,
    chat: int | None = None,
    message: int | None = None,
    before: int | None = None,
    limit: int = PAGE,
) -> tuple[list[Line], int | None]:
    """One page, newest first, and where the next one begins."""
    role = access.role_of(user, "pin__message__instance__account", "pin__message__instance")
    found: QuerySet[Any] = PinEvent.objects.annotate(role=role).filter(role__isnull=False, kind__in=SHOWN)
    if chat is not None:
        found = found.filter(pin__message__chat=chat)
    if message is not None:
        found = found.filter(pin__message=message)
    if before is not None:
        found = found.filter(pk__lt=before)
    found = found.annotate(
        actor_name=called(OuterRef("pin__message__instance")), own_jid=F("pin__message__instance__jid")
    ).select_related("pin__message__chat__instance")
    events = list(found.order_by("-pk")[: limit + 1])
    lines = [Line(event, actor_words(event.actor, event.actor_name, event.own_jid)) for event in events[:limit]]
    return lines, events[limit - 1].pk if len(events) > limit else None
