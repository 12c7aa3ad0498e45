"""Pins as pages show them: what is known, who did it, how long it lasts, and why it failed."""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from chats.models import Message, Pin, PinEvent
from chats.numbers import is_jid
from chats.selectors.names import called
from instances import access
from instances.whatsapp.errors import NotConfirmed, NotConnected
from instances.words import in_words

# So begins the actor of what a schedule did.
SCHEDULE = "schedule by "
# And of what a rule did.
RULE = "rule "
# How many a walk over all of them reads at once.
BATCH = 500
FAILURES = (PinEvent.Kind.REFUSED, PinEvent.Kind.NOT_SENT, PinEvent.Kind.UNCONFIRMED, PinEvent.Kind.MISSED)


@dataclass(frozen=True, slots=True)
class PinView:
    """One message's pin, for the control beside it."""

    # none, pending, pinned, failed or unknown.
    state: str
    # Of what is pending or went wrong: whether it was to be pinned.
    pinning: bool = True
    duration: int | None = None
    expires_at: datetime | None = None
    pinned_at: datetime | None = None
    who: str = ""
    reason: str = ""
    # Whether it went wrong because the instance was off the air.
    away: bool = False

    @property
    def pinned(self) -> bool:
        """Whether WhatsApp shows it as pinned, as far as we know."""
        return self.expires_at is not None

    @property
    def until(self) -> int:
        """When it ends, in Unix seconds."""
        return int(self.expires_at.timestamp()) if self.expires_at else 0


NO_PIN = PinView("none")


def with_details(pins: QuerySet[Pin]) -> QuerySet[Pin]:
    """Add what a `PinView` needs: the last line of the history, and the name behind an actor's JID."""
    last = PinEvent.objects.filter(pin=OuterRef("pk")).order_by("-pk")
    return pins.annotate(
        last_kind=Subquery(last.values("kind")[:1]),
        last_detail=Subquery(last.values("detail")[:1]),
        last_pinning=Subquery(last.values("pinning")[:1]),
        last_duration=Subquery(last.values("duration")[:1]),
        actor_name=called(OuterRef("message__instance")),
        own_jid=F("message__instance__jid"),
    )


def view_of(pin: Any, now: datetime | None = None) -> PinView:
    """What is to be said of a pin found by `with_details`."""
    now = now or timezone.now()
    pinned = pin.state == Pin.State.PINNED and pin.expires_at is not None and pin.expires_at > now
    facts: dict[str, Any] = {
        "duration": pin.duration,
        "expires_at": pin.expires_at if pinned else None,
        "pinned_at": pin.pinned_at,
        "who": actor_words(pin.actor, pin.actor_name, pin.own_jid),
    }
    if pin.attempt is not None and pin.attempt_until is not None and pin.attempt_until > now:
        return PinView("pending", pinning=pin.attempt_duration is not None, **facts)
    failed = pin.last_kind in FAILURES
    if failed:
        facts["duration"] = pin.last_duration or pin.duration
        state = "unknown" if pin.state == Pin.State.UNKNOWN else "failed"
        return PinView(state, pinning=bool(pin.last_pinning), reason=_reason(pin), away=_away(pin), **facts)
    return PinView("pinned", **facts) if pinned else NO_PIN


def views_of(messages: Iterable[Message]) -> dict[int, PinView]:
    """By message: its pin, for those that ever had one."""
    keys = [message.pk for message in messages]
    return {pin.message_id: view_of(pin) for pin in with_details(Pin.objects.filter(message__in=keys))}


def actor_words(actor: str, name: str | None, own_jid: str) -> str:
    """Who brought it about, as a person would say it."""
    if actor.startswith(SCHEDULE):
        return _("a schedule of %(who)s") % {"who": actor.removeprefix(SCHEDULE)}
    if actor.startswith(RULE):
        return _("the rule %(name)s") % {"name": actor.removeprefix(RULE)}
    if not is_jid(actor):
        return actor
    if actor == own_jid:
        return _("the linked phone")
    user, _at, server = actor.partition("@")
    return name or (f"+{user}" if server == "s.whatsapp.net" else user)


def _reason(pin: Any) -> str:
    if pin.last_kind == PinEvent.Kind.UNCONFIRMED:
        return _("WhatsApp did not confirm in time. It may have worked or not.")
    if pin.last_kind == PinEvent.Kind.REFUSED:
        return _("WhatsApp refused: %(reason)s") % {"reason": in_words(pin.last_detail)}
    if _away(pin):
        return _("The instance is not connected to WhatsApp.")
    if pin.last_detail == str(NotConfirmed()):
        return _("The instance was busy with another message.")
    return in_words(pin.last_detail)


def _away(pin: Any) -> bool:
    return bool(pin.last_detail == str(NotConnected()))


def visible_to(user: access.User) -> QuerySet[Any]:
    """Every pin on the instances a person may see, the last changed first."""
    role = access.role_of(user, "message__instance__account", "message__instance")
    found = Pin.objects.annotate(role=role).filter(role__isnull=False)
    return found.select_related("message__chat", "message__instance").order_by("-changed_at", "-pk")


def walk(pins: QuerySet[Any]) -> Iterator[Any]:
    """Each of these pins once, in their order as it is now, none with its message's `data`.

    Their keys are read first: pins change while a slow reader reads, and take another place when they do. Between two
    batches nothing is held: no transaction, no cursor, no lock.
    """
    keys = array("q", pins.values_list("pk", flat=True).iterator())
    for first in range(0, len(keys), BATCH):
        batch = keys[first : first + BATCH]
        there = pins.defer("message__data").in_bulk(batch)
        yield from (there[pk] for pk in batch if pk in there)


def of_chat(chat: int, messages: Iterable[int] = ()) -> list[Any]:
    """What WhatsApp shows as pinned in a chat, the newest first, and the pins of `messages`, in one query."""
    shown = Q(message__chat=chat, state=Pin.State.PINNED, expires_at__gt=timezone.now())
    found = Pin.objects.filter(shown | Q(message__in=list(messages)))
    return list(with_details(found).select_related("message").order_by("-pinned_at", "-pk"))
