"""The words spoken between the web and the connector over NATS.

A command is a request on `instance.<uid>.<verb>`; only the owner of the
instance listens there. News go out on `news.<uid>.<topic>`.
"""

import time
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings

from instances.whatsapp.errors import (
    AdminsOnly,
    AdminsWrite,
    Blocked,
    Busy,
    LinkingFailed,
    MediaBroken,
    MediaBusy,
    MediaGone,
    MediaTooHeavy,
    MediaTooLarge,
    MediaUnreachable,
    NoMedia,
    NotConfirmed,
    NotConnected,
    NotInGroup,
    NotOnWhatsApp,
    Refused,
    ViewOnce,
    WhatsAppError,
)
from portal.clock import steady

PIN = "pin"
TEXT = "text"
CONNECT = "connect"
PAIRING_CODE = "pairing_code"
DISCONNECT = "disconnect"
LOGOUT = "logout"
# The instance's preferences are others now; they are in its row.
PREFERENCES = "preferences"
# Whether whoever took an order is still there; the answer names its epoch.
ALIVE = "alive"
# Fetch the file of a message; then give a piece of it.
MEDIA = "media"
MEDIA_PIECE = "media_piece"

# Linking talks to WhatsApp's server before there is a code to show.
LINK_SECONDS = 20.0

# A connector looks for instances that nobody holds when it hears this.
WAKE = "connector.wake"


def command_subject(uid: UUID, verb: str) -> str:
    """Where the owner of an instance hears `verb`."""
    return f"instance.{uid.hex}.{verb}"


def news_subject(uid: UUID, topic: str) -> str:
    """Where news of an instance are told."""
    return f"news.{uid.hex}.{topic}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """Something to be done for a while only: whoever asked for it hears that it failed when its time is over."""

    # Unix time after which it must not be begun any more.
    deadline: float
    # On the steady clock of who made or received it: a clock that is set back must not give it a day.
    _end: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Begin to count."""
        object.__setattr__(self, "_end", steady() + min(self.deadline - time.time(), self.longest()))

    @staticmethod
    def longest() -> float:
        """No more seconds than these, whatever the clocks show."""
        return settings.ACK_TIMEOUT.total_seconds()

    def to_payload(self) -> dict[str, Any]:
        """For the wire."""
        return {name: value for name, value in asdict(self).items() if name != "_end"}

    @property
    def seconds_left(self) -> float:
        """Until the deadline, whatever is done to the clock; negative when it has passed."""
        return min(self.deadline - time.time(), self._end - steady())

    @property
    def in_time(self) -> bool:
        """Whether it may still be begun."""
        return self.seconds_left > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Timed):
    """Something that changes an instance's connection."""

    # For a pairing code.
    phone: str = ""

    @staticmethod
    def longest() -> float:
        """As long as linking may take."""
        return LINK_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Timed):
    """Something to put on the wire, under one lease only."""

    # Of the lease under which the caller believes the instance to be held.
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TextOrder(Order):
    """All that a connector needs to send one text."""

    # As WhatsApp named the chat, or as the caller did.
    chat: str
    # Whether the chat was seen on the wire before; else the number is looked up first.
    known: bool
    text: str
    # The message that is quoted, empty for none, with its author as WhatsApp named them.
    quoted_id: str = ""
    quoted_sender: str = ""
    quoted_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinOrder(Order):
    """All that a connector needs to put one pin on the wire."""

    attempt: str
    # Where the stanza goes, and what its key says; as WhatsApp named them.
    chat: str
    message_id: str
    from_me: bool
    # The author, in groups only.
    participant: str | None
    # Seconds; None unpins.
    duration: int | None


# Errors travel by name. A name that is not here is a fault of ours and is
# logged where it arose.
_ERRORS: dict[str, type[WhatsAppError]] = {
    kind.__name__: kind
    for kind in (
        NotConnected,
        NotConfirmed,
        NotOnWhatsApp,
        Busy,
        AdminsOnly,
        AdminsWrite,
        NotInGroup,
        Blocked,
        Refused,
        LinkingFailed,
        NoMedia,
        ViewOnce,
        MediaTooHeavy,
        MediaTooLarge,
        MediaGone,
        MediaBroken,
        MediaUnreachable,
        MediaBusy,
    )
}


def error_reply(error: WhatsAppError) -> dict[str, Any]:
    """The reply that says why a command did not come about."""
    if isinstance(error, Refused):
        return {"error": "Refused", "text": error.reason}
    return {"error": type(error).__name__, "text": str(error)}


def raise_if_error(reply: dict[str, Any]) -> None:
    """Raise what `error_reply` packed; return when the command came about."""
    name = reply.get("error")
    if name is None:
        return
    kind = _ERRORS[name]
    if kind in (Refused, LinkingFailed):
        raise kind(reply["text"])
    raise kind()
