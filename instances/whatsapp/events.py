"""What WhatsApp tells us, as plain values: no protobuf object goes past the adapter.

All times are aware and in UTC; JIDs are plain strings without a device part.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_DEVICE = re.compile(r"(?:\.\d+)?(?::\d+)?@")


def without_device(jid: str) -> str:
    """A person's JID as the library's log has it may name a device: 5511:7@s.whatsapp.net."""
    return _DEVICE.sub("@", jid, count=1)


@dataclass(frozen=True, slots=True)
class Party:
    """A chat or a person under the name on the wire, and their other name if WhatsApp told it."""

    jid: str
    alt: str = ""


@dataclass(frozen=True, slots=True)
class QrCode:
    """A QR text to show; it is good for 60 seconds (the first) or 20."""

    text: str


@dataclass(frozen=True, slots=True)
class QrEnded:
    """No more QR codes come. `reason`: why no phone was linked, for people; empty when one was."""

    reason: str


@dataclass(frozen=True, slots=True)
class Connected:
    """Logged in and ready to send."""

    jid: str
    lid: str
    push_name: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection broke; the library reconnects by itself, each time a little later."""


@dataclass(frozen=True, slots=True)
class CallOffered:
    """Somebody calls; it rings until it is rejected, answered on the phone, or given up."""

    call_id: str
    caller: str


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """The device is no longer linked. The library has deleted its keys."""

    reason: str
    # WhatsApp, and not the phone, ended it.
    banned: bool = False


@dataclass(frozen=True, slots=True)
class Replaced:
    """Another connection with this device's keys took over."""


@dataclass(frozen=True, slots=True)
class Banned:
    """WhatsApp suspended the number for `seconds`."""

    reason: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Outdated:
    """WhatsApp refuses this version of the library."""


@dataclass(frozen=True, slots=True)
class ConnectFailed:
    """WhatsApp refused the connection; the library does not try again by itself."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The client is gone: stopped by us, or by a fault (`error`) of the library."""

    error: str


@dataclass(frozen=True, slots=True)
class Target:
    """The message that a reaction, edit, deletion, pin or vote is about."""

    message_id: str
    # Whether the author of the action wrote the target too.
    by_same_author: bool
    participant: str = ""


@dataclass(frozen=True, slots=True)
class MessageArrived:
    """One message, in whatever way it came."""

    message_id: str
    chat: Party
    sender: Party
    is_group: bool
    from_me: bool
    sent_at: datetime
    # One of chats.models.Message.Kind.
    kind: str
    text: str = ""
    push_name: str = ""
    quoted_id: str = ""
    target: Target | None = None
    # Of a pin: seconds, None for an unpin.
    pin_duration: int | None = None
    # Of a disappearing message: seconds after which the phones delete it, as it was sent. 0: never.
    disappears_after: int = 0
    # Of one of ours, as history tells it: a chats.models.Message.Status.
    status: int | None = None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GroupChanged:
    """What WhatsApp said of a group (or of a chat's name); None where it said nothing."""

    jid: str
    at: datetime
    name: str | None = None
    locked: bool | None = None
    announce: bool | None = None
    # In words, for the chat: "Ana joined". Empty when nothing is to be shown.
    text: str = ""
    actor: Party | None = None
    # The people this names, so that both of their names are learnt.
    people: tuple[Party, ...] = ()
    # The same for programs: {"added": ["…@lid"]}, {"name": "…"}.
    change: dict[str, Any] = field(default_factory=dict)
    # Its admins, under each of their names; None when it does not say.
    admins: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """Messages of ours have come to somebody's device, or were read or played there."""

    chat: Party
    sender: Party
    message_ids: tuple[str, ...]
    # "delivered", "read" or "played".
    status: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PersonKnown:
    """A person's two JIDs and what they are called, as the phone's history tells it; empty where it says nothing."""

    person: Party
    # What they call themselves.
    push_name: str = ""
    # What the phone calls the chat with them: the name in its address book, if they are there.
    name: str = ""


@dataclass(frozen=True, slots=True)
class HistoryArrived:
    """A piece of the phone's history, still packed: `adapter.read_history` opens it."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class StaysShut:
    """An edit that could not be opened, and may be later: `adapter.Shut`."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Lost:
    """A message that was decrypted and not kept: its sender must be asked to send it anew."""

    message_id: str
    # With their device: `1002:5@lid`.
    sender: str
    # Empty when it is the sender's own.
    chat: str


@dataclass(frozen=True, slots=True)
class PinSettled:
    """What came of an attempt of ours to pin (`chats.pinbook.Outcome`), while the database took nothing."""

    attempt: str
    outcome: str
    # When the stanza was made; None when none went out.
    at: datetime | None = None
    stanza_id: str = ""
    detail: str = ""


Event = (
    QrCode
    | QrEnded
    | Connected
    | CallOffered
    | Disconnected
    | LoggedOut
    | Replaced
    | Banned
    | Outdated
    | ConnectFailed
    | Stopped
    | MessageArrived
    | GroupChanged
    | Receipt
    | HistoryArrived
    | StaysShut
)

# What becomes rows (`chats.intake`); the others are about the connection.
Stored = MessageArrived | GroupChanged | PersonKnown | PinSettled


def of_a_group(event: Stored) -> bool:
    """Whether it was said in or of a group."""
    return event.is_group if isinstance(event, MessageArrived) else isinstance(event, GroupChanged)
