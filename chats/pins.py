"""Pinning and unpinning: the one place of the rules, for REST, pages and schedules alike.

`pin` and `unpin` return only when WhatsApp's server acknowledged the stanza,
or when the wish was fulfilled already (a client's retry). The contract's words
on idempotence and on two callers at once are carried out here and in
`chats.pinbook`.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from django.conf import settings
from django.db import Error, connection
from django.db.models import BigIntegerField, CharField, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from chats import pinbook
from chats.errors import (
    InvalidDuration,
    MessageAmbiguous,
    MessageDeleted,
    MessageDisappeared,
    MessageNotFound,
    NotInAConversation,
)
from chats.meant import the_first
from chats.models import Chat, Message, Pin, PinEvent
from chats.pinbook import Asker, Outcome, Wish
from instances.models import Instance
from instances.whatsapp import service
from instances.whatsapp.commands import PinOrder
from instances.whatsapp.errors import (
    AdminsOnly,
    AdminsWrite,
    Blocked,
    Busy,
    NotAllowed,
    NotConfirmed,
    NotConnected,
    NotInGroup,
    Refused,
    WhatsAppError,
)
from portal import crowd, metrics
from portal.clock import steady
from portal.prepared import Prepared, Slot

__all__ = ["DURATIONS", "WORDS", "Asker", "check", "find_message", "parse_duration", "pin", "the_one", "unpin"]

# The three durations WhatsApp knows, in seconds.
DURATIONS: dict[str, int] = {"24h": 86_400, "7d": 604_800, "30d": 2_592_000}
WORDS = {seconds: word for word, seconds in DURATIONS.items()}

# What pinning needs of a message: reading all of it takes twice as long.
_NEEDED = (
    "message_id",
    "sent_at",
    "from_me",
    "deleted_at",
    "disappears_at",
    "wire_chat",
    "wire_sender",
    "chat__jid",
    "chat__lid",
    "chat__kind",
)


# So many with one id are looked at; those of a copier come after what they copied.
COPIES = 20


def _with_id(instance: Slot, message_id: Slot, chat: Slot | None = None) -> QuerySet[Message]:
    found = Message.objects.select_related("chat").only(*_NEEDED).filter(instance=instance, message_id=message_id)
    if chat is not None:
        found = found.filter(Q(chat__jid=chat) | Q(chat__lid=chat))
    return found.exclude(kind__in=Message.ACTIONS).order_by("sent_at", "pk")[:COPIES]


_WITH_ID = Prepared(_with_id, instance=BigIntegerField(), message_id=CharField())
_WITH_ID_IN_CHAT = Prepared(_with_id, instance=BigIntegerField(), message_id=CharField(), chat=CharField())

# Why an order may not have been sent.
_NOT_SENT = (NotConnected(), Busy(), AdminsOnly(), AdminsWrite(), NotInGroup(), Blocked())

# Of an attempt, by a fault of ours.
_BROKEN = gettext_noop("the portal failed meanwhile")
# How often a caller looks whether the other one's attempt has ended, in seconds.
LOOK_AGAIN = 0.03
# An attempt stays open this much longer than its caller waits, so that the
# connector's own record of the outcome is not overtaken by impatience.
SETTLE_GRACE = timedelta(seconds=2)


def parse_duration(value: str) -> int:
    """Seconds of "24h", "7d" or "30d". Raises InvalidDuration."""
    try:
        return DURATIONS[value]
    except KeyError:
        raise InvalidDuration(value) from None


def find_message(instance: Instance, message_id: str, chat_jid: str | None = None) -> Message:
    """The stored message with this id that says something (an edit or a reaction cannot be pinned).

    Raises MessageNotFound, or MessageAmbiguous when the id stands in several
    chats and `chat_jid` (phone number or LID) does not name one.
    """
    if chat_jid:
        messages = _WITH_ID_IN_CHAT.rows(instance=instance.pk, message_id=message_id, chat=chat_jid)
    else:
        messages = _WITH_ID.rows(instance=instance.pk, message_id=message_id)
    message = the_one(message_id, messages)
    message.instance = instance
    return message


def the_one(message_id: str, messages: list[Message]) -> Message:
    """Of the messages with an id, the one that is meant. Raises as `find_message`.

    Somebody may use an id again that stands in the chat, and would make that message one that nobody can name.
    """
    first = the_first(messages)
    if first is None:
        raise MessageNotFound(message_id)
    if len({message.chat_id for message in messages}) > 1:
        raise MessageAmbiguous(message_id)
    return first


def pin(message: Message, duration: int, asker: Asker) -> None:
    """Pin a message for everyone in its chat, for `duration` seconds.

    Raises CannotBePinned, NotConnected, Busy, NotAllowed, Refused (nothing
    changed) or NotConfirmed (recorded as unknown).
    """
    check(message)
    _bring_about(message, Wish(duration), asker)


def check(message: Message) -> None:
    """Raise CannotBePinned when the phones do not have the message any more, or know no pins where it stands."""
    _check_place(message)
    if message.deleted_at is not None:
        raise MessageDeleted(message.message_id)
    if message.disappears_at is not None and message.disappears_at <= timezone.now():
        raise MessageDisappeared(message.message_id)


def _check_place(message: Message) -> None:
    if message.chat.kind not in Chat.CONVERSATIONS:
        raise NotInAConversation(message.message_id)


def unpin(message: Message, asker: Asker) -> None:
    """Take a message's pin away for everyone in its chat. Raises as `pin`, but nothing for one that is gone."""
    _check_place(message)
    _bring_about(message, Wish(None), asker)


# What whoever asked for a pin is told, for the metrics.
_HEARD: tuple[tuple[type[WhatsAppError], str], ...] = (
    (NotConfirmed, "unconfirmed"),
    (NotConnected, "not connected"),
    (Busy, "busy"),
    (Refused, "refused"),
    (NotAllowed, "not allowed"),
)


@contextmanager
def _counted() -> Iterator[None]:
    """Count what comes of it. Here, and not in the connector: that one may be away, cut off or frozen."""
    heard = "failed"
    try:
        yield
        heard = "done"
    except WhatsAppError as error:
        heard = next((word for kind, word in _HEARD if isinstance(error, kind)), heard)
        raise
    finally:
        metrics.PINS.labels(heard).inc()


@_counted()
def _bring_about(message: Message, wish: Wish, asker: Asker) -> None:
    deadline = timezone.now() + settings.ACK_TIMEOUT
    patience = steady() + settings.ACK_TIMEOUT.total_seconds()
    while True:
        opening = pinbook.open_attempt(message, wish, asker, deadline + SETTLE_GRACE)
        if opening.attempt is None:
            return  # It is so already.
        if opening.ours:
            _send(message, wish, opening.attempt, deadline)
            return
        _await_other(opening.attempt, patience)
        if opening.same_wish:
            _share_outcome(opening.attempt)
            return


def _send(message: Message, wish: Wish, attempt: uuid.UUID, deadline: datetime) -> None:
    order = PinOrder(
        attempt=attempt.hex,
        chat=message.wire_chat,
        message_id=message.message_id,
        from_me=message.from_me,
        participant=message.wire_sender if message.chat.kind == Chat.Kind.GROUP else None,
        duration=wish.duration,
        deadline=deadline.timestamp(),
        epoch=message.instance.epoch,
    )
    # The wait for WhatsApp may be long; a connection of the pool is not held meanwhile.
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    try:
        service.send_pin(message.instance, order)
    except NotConfirmed:
        try:
            if pinbook.settle(attempt, Outcome.UNCONFIRMED):
                raise
            # The connector recorded the outcome just as our patience ended.
            _share_outcome(attempt)
        except Error as error:
            # It may be on the phones, so nobody must hear that nothing was sent. `pinbook.give_up_stale` settles it.
            raise NotConfirmed from error
    except Refused as error:
        pinbook.settle(attempt, Outcome.REFUSED, detail=error.reason)
        raise
    except WhatsAppError as error:
        pinbook.settle(attempt, Outcome.NOT_SENT, detail=str(error))
        raise
    except BaseException:
        # A fault of ours after the order may have gone out.
        with suppress(Error):
            pinbook.settle(attempt, Outcome.UNCONFIRMED, detail=_BROKEN)
        raise


def _await_other(attempt: uuid.UUID, patience: float) -> None:
    """Wait until another caller's attempt is over. Raises NotConfirmed when the steady clock shows `patience`."""
    crowd.step_aside()
    while Pin.objects.filter(attempt=attempt).exclude(pinbook.over(timezone.now())).exists():
        if steady() >= patience:
            raise NotConfirmed
        time.sleep(LOOK_AGAIN)


def _share_outcome(attempt: uuid.UUID) -> None:
    """Answer as the other caller, who wanted the same at the same moment, was answered."""
    ending = PinEvent.objects.filter(attempt=attempt).exclude(kind=PinEvent.Kind.ASKED).last()
    if ending is None or ending.kind == PinEvent.Kind.UNCONFIRMED:
        raise NotConfirmed
    if ending.kind == PinEvent.Kind.REFUSED:
        raise Refused(ending.detail)
    if ending.kind == PinEvent.Kind.NOT_SENT:
        raise next((error for error in _NOT_SENT if str(error) == ending.detail), NotConnected())
