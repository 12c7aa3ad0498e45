"""The book of pins: every change of a pin's state goes through here, and nowhere else.

An attempt of ours is opened (`open_attempt`), goes over the wire, and is
settled once (`settle`), by the connector that heard WhatsApp's answer or by
the caller whose patience ended. Pins made by phones and contacts come in by
`seen`. Each function is one short database transaction that locks the chat's
row first: a pin may end another pin of its chat, and two that lock each
other's rows in turn would be a deadlock.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db import connection, transaction
from django.db.models import BigIntegerField, DateTimeField, Q, QuerySet, UUIDField
from django.utils import timezone
from django.utils.translation import gettext_noop

from chats import news
from chats.models import Chat, Message, Pin, PinEvent
from instances.models import Instance, Token
from portal import clock
from portal.prepared import Prepared, create, save

# WhatsApp shows three pinned messages a chat; a fourth takes the oldest one's place.
SHOWN_A_CHAT = 3

# What is told of a pin's message (`chats.events`); reading all of it takes much longer.
_TOLD = (
    "message__message_id",
    "message__from_me",
    "message__deleted_at",
    "message__disappears_at",
    "message__chat__jid",
    "message__instance__uid",
    "message__instance__name",
    "message__instance__wanted_events",
)
_OF_MESSAGE = Prepared(lambda message: Pin.objects.filter(message=message), message=BigIntegerField())
_OF_ATTEMPT = Prepared(
    lambda attempt: (
        Pin.objects.select_related("message__instance", "message__chat")
        .only(*(field.name for field in Pin._meta.concrete_fields), *_TOLD)
        .filter(attempt=attempt)
    ),
    attempt=UUIDField(),
)
_SHOWN = Prepared(
    lambda chat, now: (
        Pin.objects.filter(message__chat=chat, state=Pin.State.PINNED, expires_at__gt=now)
        .only("pk")
        .order_by("-pinned_at", "-pk")
    ),
    chat=BigIntegerField(),
    now=DateTimeField(),
)

# The same request within this time is a client's retry; later it is a renewal.
RETRY_WINDOW = timedelta(seconds=60)
# Of an attempt that both processes left unsettled.
UNHEARD = gettext_noop("nobody heard the outcome")
HEARD_LATE = gettext_noop("heard late")
KNOWN_TWICE = gettext_noop("its message was known twice")
# No attempt is given longer: who opens one waits for ACK_TIMEOUT, and then some.
LONGEST = settings.ACK_TIMEOUT + timedelta(seconds=45)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted: a duration in seconds to pin, None to unpin."""

    duration: int | None

    @property
    def pinning(self) -> bool:
        """Whether this is a pin, not an unpin."""
        return self.duration is not None


@dataclass(frozen=True, slots=True)
class Asker:
    """Who wants it, in words for the history, with the token if there was one."""

    words: str
    token: Token | None = None
    # The one attempt this may be, whoever makes it: a schedule's step names it beforehand.
    attempt: uuid.UUID | None = None


class Outcome(StrEnum):
    """How an attempt ended."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True)
class Opening:
    """What `open_attempt` found: already so, under way by another caller, or ours to send."""

    attempt: uuid.UUID | None = None
    ours: bool = False
    # Of the attempt under way: whether it wants the same.
    same_wish: bool = False


@transaction.atomic
def open_attempt(message: Message, wish: Wish, asker: Asker, until: datetime) -> Opening:
    """Claim the right to send one stanza for this message, if there is need of one.

    `until`: when the attempt counts as unconfirmed if nobody settled it.
    """
    pin = _locked_pin_of(message)
    now = timezone.now()
    if asker.attempt is not None and PinEvent.objects.filter(attempt=asker.attempt).exists():
        return Opening(asker.attempt, same_wish=True)  # By a runner before us, dead or not.
    if pin.attempt is not None:
        if pin.attempt_until is not None and clock.ahead(pin.attempt_until, now, LONGEST):
            under_way = Wish(pin.attempt_duration)
            return Opening(pin.attempt, same_wish=under_way == wish)
        _close(pin, Outcome.UNCONFIRMED, now, detail=UNHEARD)
    if _fulfilled(pin, wish, now):
        return Opening()
    pin.attempt = asker.attempt or uuid.uuid4()
    pin.attempt_until = until
    pin.attempt_at = now
    pin.attempt_duration = wish.duration
    pin.attempt_actor = asker.words
    if pin.state != Pin.State.PINNED:
        pin.state = Pin.State.REQUESTED
        pin.changed_at = now
    save(pin)
    line = create(
        PinEvent,
        pin=pin,
        at=now,
        kind=PinEvent.Kind.ASKED,
        pinning=wish.pinning,
        duration=wish.duration,
        actor=asker.words,
        token=asker.token,
        attempt=pin.attempt,
    )
    news.pin_changed(pin, line)
    return Opening(pin.attempt, ours=True)


@transaction.atomic
def settle(
    attempt: uuid.UUID,
    outcome: Outcome,
    *,
    at: datetime | None = None,
    stanza_id: str = "",
    detail: str = "",
) -> bool:
    """Record how an attempt ended. True when this call is the one that settled it.

    `at`: when the stanza was made, from which WhatsApp counts the duration. An
    acknowledgement that comes after the attempt was given up as unconfirmed
    still counts: then it is known after all.
    """
    now = timezone.now()
    pin = _locked_of_attempt(attempt)
    if pin is not None:
        _close(pin, outcome, at or now, stanza_id=stanza_id, detail=detail)
        return True
    if outcome is Outcome.UNCONFIRMED:
        return False
    return _settle_late(attempt, outcome, at or now, stanza_id, detail)


@transaction.atomic
def seen(message: Message, wish: Wish, *, actor: str, at: datetime, stanza_id: str, live: bool = True) -> None:
    """Record a pin or unpin that a phone or a contact made. `live`, here and below: as of `chats.intake.take_in`."""
    pin = _locked_pin_of(message)
    unheard_of = pin.pk is None
    if unheard_of:
        save(pin)
    line = create(
        PinEvent,
        pin=pin,
        at=at,
        kind=PinEvent.Kind.SEEN,
        pinning=wish.pinning,
        duration=wish.duration,
        actor=actor,
        stanza_id=stanza_id,
    )
    # WhatsApp's times are whole seconds: within one, what arrives later is later.
    if at < pin.changed_at.replace(microsecond=0) and pin.state != Pin.State.REQUESTED and not unheard_of:
        return  # News from before what we know already (an offline queue, a history).
    _apply(pin, wish, at, actor)
    # What somebody else did is not our caller's request, so the same request
    # from here on is no retry.
    pin.asked_at = None
    save(pin)
    _find_its_place(pin, live)
    news.pin_changed(pin, line, live)


@transaction.atomic
def message_deleted(message: Message, live: bool = True) -> None:
    """End the pin of a message that was deleted for everyone: phones show no pin of what is not there."""
    pin = _locked_pin_of(message)
    if pin.pk is not None:
        _find_its_place(pin, live)


@transaction.atomic
def missed(message: Message, wish: Wish, asker: Asker, detail: str) -> None:
    """Note that a pin was wanted for a time at which it could not be made."""
    pin = _locked_pin_of(message)
    if pin._state.adding:
        pin.state = Pin.State.FAILED
        save(pin)
    line = create(
        PinEvent,
        pin=pin,
        kind=PinEvent.Kind.MISSED,
        pinning=wish.pinning,
        duration=wish.duration,
        actor=asker.words,
        token=asker.token,
        detail=detail[:300],
    )
    news.pin_changed(pin, line)


@transaction.atomic
def message_kept(message: Message, live: bool = True) -> None:
    """Count a pin's time anew: its disappearing message is kept from now on, or no longer."""
    pin = _locked_pin_of(message)
    if pin.state == Pin.State.PINNED and pin.pinned_at is not None:
        pin.expires_at = _end_of(pin, pin.pinned_at)
        save(pin)
        line = create(PinEvent, pin=pin, kind=PinEvent.Kind.KEPT, pinning=message.disappears_at is None)
        news.pin_changed(pin, line, live)


@transaction.atomic
def message_read(message: Message) -> None:
    """Count a pin's time anew: its message can be read only now, and is one that disappears."""
    pin = _locked_pin_of(message)
    if pin.state == Pin.State.PINNED and pin.pinned_at is not None:
        pin.expires_at = _end_of(pin, pin.pinned_at)
        save(pin)


def was_seen(message: Message, stanza_id: str, at: datetime) -> bool:
    """Whether the pin or unpin of this message that came by this stanza stands in the book."""
    seen_ones = PinEvent.objects.filter(pin__message=message, kind=PinEvent.Kind.SEEN)
    return seen_ones.filter(stanza_id=stanza_id, at=at).exists()


@transaction.atomic
def moved(goes: Message, stays: Message) -> None:
    """Bring a pin and its history to another row of the same message, before the row that goes is deleted.

    If both have one, the state that came last counts, and the history is that of both.
    """
    _lock(lambda: Chat.objects.filter(pk__in=(goes.chat_id, stays.chat_id)).order_by("pk"))
    brought, pin = _OF_MESSAGE.first(message=goes.pk), _OF_MESSAGE.first(message=stays.pk)
    if brought is not None and pin is not None:
        _join(brought, pin)
    pin = pin or brought
    if pin is None:
        return
    pin.message = stays
    save(pin)
    _find_its_place(pin)


@transaction.atomic
def renamed(instance: Instance, old: str, new: str) -> None:
    """Call who made pins as their messages are called from now on: else nobody knows their name any more."""
    lines = PinEvent.objects.filter(pin__message__instance=instance, actor=old)
    pins = Pin.objects.filter(message__instance=instance, actor=old)
    _lock(lambda: Chat.objects.filter(pk__in=lines.values("pin__message__chat")).order_by("pk"))
    lines.update(actor=new)
    pins.update(actor=new)


@transaction.atomic
def chats_joined(chat: Chat) -> None:
    """Note which pins WhatsApp no longer shows, now that those of two chats are in one."""
    _lock(lambda: Chat.objects.filter(pk=chat.pk))
    _hide_the_fourth(chat.pk)


def over(now: datetime) -> Q:
    """Pins with an attempt that nobody settled in time."""
    return clock.passed("attempt_until", now, LONGEST)


def expire(now: datetime | None = None, batch: int = 500) -> int:
    """Mark pins whose time is over; returns how many. Safe to run anywhere, at any time."""
    now = now or timezone.now()
    due = list(Pin.objects.filter(state=Pin.State.PINNED, expires_at__lte=now).values_list("pk", flat=True)[:batch])
    for key in due:
        with transaction.atomic():
            pin = _locked(pk=key)
            if pin and pin.state == Pin.State.PINNED and pin.expires_at is not None and pin.expires_at <= now:
                _end(pin, Pin.State.EXPIRED, PinEvent.Kind.EXPIRED, pin.expires_at)
    return len(due)


def give_up_stale(now: datetime | None = None) -> int:
    """Settle as unconfirmed what nobody settled in time (both processes died); returns how many."""
    now = now or timezone.now()
    attempts = Pin.objects.filter(over(now), attempt__isnull=False).values_list("attempt", flat=True)
    return sum(
        settle(attempt, Outcome.UNCONFIRMED, detail=UNHEARD) for attempt in list(attempts) if attempt is not None
    )


def _locked_pin_of(message: Message) -> Pin:
    """The message's pin with its chat locked; one not yet saved if there is none."""
    _lock(lambda: Chat.objects.filter(pk=message.chat_id))
    pin = _OF_MESSAGE.first(message=message.pk) or Pin(message=message)
    pin.message = message
    return pin


def _locked_of_attempt(attempt: uuid.UUID) -> Pin | None:
    """The pin whose attempt this is, with its chat locked; None when it is settled already."""
    _lock(lambda: Chat.objects.filter(messages__pin__attempt=attempt))
    return _OF_ATTEMPT.first(attempt=attempt)


def _locked(**which: object) -> Pin | None:
    """The pin these fields name, as it stands once its chat is locked; None when there is none (any more)."""
    pins = Pin.objects.select_related("message__instance", "message__chat").filter(**which)
    _lock(lambda: Chat.objects.filter(pk__in=pins.values("message__chat")))
    return next(iter(pins), None)


def _lock(chats: Callable[[], QuerySet[Chat]]) -> None:
    """Lock chats until the transaction ends. SQLite's transactions exclude each other from the start."""
    if connection.features.has_select_for_update:
        list(chats().select_for_update().values_list("pk", flat=True))


def _fulfilled(pin: Pin, wish: Wish, now: datetime) -> bool:
    if wish.duration is None:
        return pin.state == Pin.State.UNPINNED
    return (
        pin.state == Pin.State.PINNED
        and pin.duration == wish.duration
        and pin.asked_at is not None
        and abs(now - pin.asked_at) <= RETRY_WINDOW
    )


def _close(pin: Pin, outcome: Outcome, at: datetime, *, stanza_id: str = "", detail: str = "") -> None:
    """Write an open attempt's outcome into the pin and its history."""
    wish = Wish(pin.attempt_duration)
    attempt, asked_at, actor = pin.attempt, pin.attempt_at, pin.attempt_actor
    pin.attempt = pin.attempt_until = pin.attempt_at = None
    if outcome is Outcome.ACKNOWLEDGED:
        _apply(pin, wish, at, actor)
        pin.asked_at = asked_at
    elif outcome is Outcome.UNCONFIRMED:
        pin.state = Pin.State.UNKNOWN
        pin.changed_at = timezone.now()
    elif pin.state == Pin.State.REQUESTED:
        # A first pin came to nothing. A renewal or an unpin that came to
        # nothing leaves the pin as it was.
        pin.state = Pin.State.FAILED
        pin.changed_at = timezone.now()
    save(pin)
    _line(pin, outcome, wish, at, actor, attempt, stanza_id, detail)
    if outcome in (Outcome.ACKNOWLEDGED, Outcome.UNCONFIRMED):
        _find_its_place(pin)


def _settle_late(attempt: uuid.UUID, outcome: Outcome, at: datetime, stanza_id: str, detail: str) -> bool:
    lines = PinEvent.objects.filter(attempt=attempt)
    given_up = lines.filter(kind=PinEvent.Kind.UNCONFIRMED).first()
    asked = lines.filter(kind=PinEvent.Kind.ASKED).first()
    settled = lines.exclude(kind__in=[PinEvent.Kind.ASKED, PinEvent.Kind.UNCONFIRMED]).exists()
    if given_up is None or asked is None or settled:
        return False
    pin = _locked(pk=given_up.pin_id)
    if pin is None:
        return False
    wish = Wish(given_up.duration)
    untouched = not pin.events.filter(pk__gt=given_up.pk).exists()
    if untouched and outcome is Outcome.ACKNOWLEDGED:
        _apply(pin, wish, at, given_up.actor)
        pin.asked_at = asked.at
        save(pin)
    elif untouched:
        pin.state = Pin.State.FAILED
        pin.changed_at = timezone.now()
        save(pin)
    _line(pin, outcome, wish, at, given_up.actor, attempt, stanza_id, detail or HEARD_LATE)
    if untouched and outcome is Outcome.ACKNOWLEDGED:
        _find_its_place(pin)
    return True


def _apply(pin: Pin, wish: Wish, at: datetime, actor: str) -> None:
    """Let the pin be what WhatsApp now shows."""
    pin.state = Pin.State.PINNED if wish.pinning else Pin.State.UNPINNED
    pin.duration = wish.duration
    pin.pinned_at = at if wish.pinning else None
    pin.expires_at = _end_of(pin, at)
    pin.actor = actor
    pin.changed_at = at


def _end_of(pin: Pin, at: datetime) -> datetime | None:
    """Until when phones show a pin made `at`: its time, but no longer than they have its message."""
    if pin.duration is None:
        return None
    end = at + timedelta(seconds=pin.duration)
    gone = pin.message.disappears_at
    return end if gone is None else min(end, gone)


def _find_its_place(pin: Pin, live: bool = True) -> None:
    """Note which pins WhatsApp no longer shows, now that this one is there; itself, if its message is gone."""
    if pin.message.deleted_at is not None and pin.state in (Pin.State.PINNED, Pin.State.UNKNOWN):
        pin.duration = pin.pinned_at = pin.expires_at = None
        _end(pin, Pin.State.UNPINNED, PinEvent.Kind.DELETED, pin.message.deleted_at, live)
    if pin.state == Pin.State.PINNED:
        _hide_the_fourth(pin.message.chat_id, live)


def _hide_the_fourth(chat: int, live: bool = True) -> None:
    now = timezone.now()
    shown = _SHOWN.rows(chat=chat, now=now)
    hidden = [pin.pk for pin in shown[SHOWN_A_CHAT:]]
    for old in Pin.objects.select_related("message__instance", "message__chat").filter(pk__in=hidden) if hidden else ():
        _end(old, Pin.State.REPLACED, PinEvent.Kind.REPLACED, now, live)


# What a pin is; the rest is the attempt under way.
_STATE = ("state", "duration", "pinned_at", "expires_at", "actor", "changed_at", "asked_at")
_ATTEMPT = ("attempt", "attempt_at", "attempt_until", "attempt_duration", "attempt_actor")


def _join(brought: Pin, pin: Pin) -> None:
    """Let one pin be what two of the same message were. It is not saved yet; the other is no more."""
    if brought.attempt is not None and pin.attempt is not None:
        # A pin has one attempt. If this one is acknowledged yet, that counts as it does after any other long wait.
        _close(brought, Outcome.UNCONFIRMED, timezone.now(), detail=KNOWN_TWICE)
    if pin.state == Pin.State.REQUESTED or (
        brought.state != Pin.State.REQUESTED and pin.changed_at < brought.changed_at
    ):
        _take_over(pin, brought, _STATE)
    if pin.attempt is None:
        _take_over(pin, brought, _ATTEMPT)
    PinEvent.objects.filter(pin=brought).update(pin=pin)
    brought.delete()


def _take_over(pin: Pin, brought: Pin, fields: tuple[str, ...]) -> None:
    for name in fields:
        setattr(pin, name, getattr(brought, name))


def _end(pin: Pin, state: Pin.State, kind: PinEvent.Kind, at: datetime, live: bool = True) -> None:
    pin.state = state
    pin.changed_at = at
    pin.asked_at = None
    save(pin)
    line = create(PinEvent, pin=pin, at=at, kind=kind, pinning=False)
    news.pin_changed(pin, line, live)


def _line(
    pin: Pin,
    outcome: Outcome,
    wish: Wish,
    at: datetime,
    actor: str,
    attempt: uuid.UUID | None,
    stanza_id: str,
    detail: str,
) -> None:
    line = create(
        PinEvent,
        pin=pin,
        at=at,
        kind=PinEvent.Kind(outcome.value),
        pinning=wish.pinning,
        duration=wish.duration,
        actor=actor,
        attempt=attempt,
        stanza_id=stanza_id,
        detail=detail[:300],
    )
    news.pin_changed(pin, line)
