"""The pin board: what is pinned now over all chats, the soonest to end first; trouble on top."""

from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from chats.models import Pin
from chats.selectors.pins import PinView, view_of, with_details
from chats.selectors.places import Place
from instances import access
from portal.letters import holds

PAGE = 50

Ending = Place


@dataclass(frozen=True, slots=True)
class Entry:
    """One pin with its message."""

    message: Any
    pin: PinView
    may_pin: bool


def current(
    user: access.User, *, text: str = "", after: Ending | None = None, rows: int = PAGE
) -> tuple[list[Entry], Ending | None]:
    """One page of the board, or so many `rows` of it, and where the next one begins.

    What just failed stands on the first page, so that nobody has to look for it.
    """
    role = access.role_of(user, "message__instance__account", "message__instance")
    found = with_details(Pin.objects.all()).annotate(role=role).filter(role__isnull=False)
    found = found.select_related("message__chat__instance")
    if text:
        found = found.filter(
            holds("message__text", text)
            | holds("message__chat__name", text)
            | holds("message__instance__name", text)
            | holds("actor", text)
        )
    pinned = found.filter(state=Pin.State.PINNED, expires_at__gt=timezone.now())
    trouble: list[Any] = []
    if after is None:
        open_states = (Pin.State.UNKNOWN, Pin.State.REQUESTED, Pin.State.FAILED)
        trouble += found.filter(state__in=open_states).order_by("-changed_at")[:10]
    else:
        pinned = pinned.filter(after.newer("expires_at"))
    # Of the rows that are drawn already these are some, and a page of pins is there at least.
    limit = max(rows - len(trouble), PAGE)
    shown = list(pinned.order_by("expires_at", "pk")[: limit + 1])
    last: Any = shown[limit - 1] if len(shown) > limit else None
    entries = [Entry(pin.message, view_of(pin), access.may_pin(pin)) for pin in [*trouble, *shown[:limit]]]
    return entries, Ending(last.expires_at, last.pk) if last is not None else None
