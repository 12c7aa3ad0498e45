"""The pin board: what is pinned now over all chats, the soonest to end first; trouble on top."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from chats.models import Pin
from chats.selectors.names import numbered
from chats.selectors.pins import PinView, view_of, with_details
from chats.selectors.places import Place
from instances import access
from portal.letters import holds

PAGE = 50
# What went wrong longer ago stands in the history alone.
LATELY = timedelta(days=7)

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
        found = found.filter(_shows(text))
    now = timezone.now()
    pinned = found.filter(state=Pin.State.PINNED, expires_at__gt=now)
    trouble: list[Any] = []
    if after is None:
        open_states = (Pin.State.UNKNOWN, Pin.State.REQUESTED, Pin.State.FAILED)
        there = Q(message__disappears_at=None) | Q(message__disappears_at__gt=now)
        lately = found.filter(there, state__in=open_states, changed_at__gt=now - LATELY, message__deleted_at=None)
        trouble += lately.order_by("-changed_at")[:10]
    else:
        pinned = pinned.filter(after.newer("expires_at"))
    # Of the rows that are drawn already these are some, and a page of pins is there at least.
    limit = max(rows - len(trouble), PAGE)
    shown = list(pinned.order_by("expires_at", "pk")[: limit + 1])
    last: Any = shown[limit - 1] if len(shown) > limit else None
    entries = [Entry(pin.message, view_of(pin), access.may_pin(pin)) for pin in [*trouble, *shown[:limit]]]
    return entries, Ending(last.expires_at, last.pk) if last is not None else None


def _shows(text: str) -> Q:
    """Pins whose card shows the text: what was said, or the name or number of its chat, its sender or who pinned."""
    people = ("message__chat__jid", "message__sender", "actor")
    names = ("message__chat__name", "message__sender_name", "message__instance__name", "actor", "actor_name")
    found = holds("message__text", text)
    for column in names:
        found |= holds(column, text)
    for column in people:
        found |= numbered(column, text)
    return found
