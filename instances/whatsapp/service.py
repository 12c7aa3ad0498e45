"""The one service that drives WhatsApp. Its front door: all others call only this.

Every function is synchronous, reaches the connector that holds the instance
over NATS, and raises a subclass of `instances.whatsapp.errors.WhatsAppError`
with a sentence for people. None of them queues anything: what could not be
done now is not done later.
"""

import logging
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from instances.models import Instance
from instances.whatsapp import commands
from instances.whatsapp.errors import LinkingFailed, MediaUnreachable, NotConfirmed, NotConnected, WhatsAppError
from portal.broker import NobodyListens, NoReply, broker

log = logging.getLogger(__name__)

# Beyond the deadline an order carries: the time its reply may still travel.
GRACE_SECONDS = 0.5
# For half a megabyte from the connector's disk.
PIECE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Link:
    """How far linking has come."""

    # What the QR code must say; empty once a phone is linked.
    qr: str
    linked: bool
    state: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A text that WhatsApp acknowledged, and that is stored."""

    message_id: str
    # Which chat it stands in, and its time; connectors of an earlier version do not say.
    chat: str = ""
    at: datetime | None = None


def send_pin(instance: Instance, order: commands.PinOrder) -> None:
    """Put a pin or an unpin on the wire; returns when WhatsApp acknowledged it.

    The owner has then recorded the outcome (`chats.pins.settle`) already.
    Raises NotConnected, Busy or Refused (nothing is pinned), or NotConfirmed
    (sent, outcome unknown).
    """
    _ask(instance, commands.PIN, order.to_payload(), order.seconds_left + GRACE_SECONDS)


def send_text(instance: Instance, order: commands.TextOrder) -> Sent:
    """Send a text; returns when WhatsApp acknowledged it, and it is stored.

    Raises NotConnected, Busy, NotOnWhatsApp or Refused (nothing was sent), or
    NotConfirmed (sent, outcome unknown).
    """
    reply = _ask(instance, commands.TEXT, order.to_payload(), order.seconds_left + GRACE_SECONDS)
    at = datetime.fromisoformat(reply["sent_at"]) if "sent_at" in reply else None
    return Sent(reply["message_id"], reply.get("chat", ""), at)


def fetch_media(instance: Instance, message: int) -> int:
    """Let the connector have a message's file on its machine; how many bytes that are. `message`: its primary key.

    Blocks until it is there, at most MEDIA_TIMEOUT_SECONDS; then the connector
    goes on alone, and who asks again finds it. The key does not travel: the
    connector reads it from the message. Raises a MediaError, or NotConnected.
    """
    seconds = settings.MEDIA_TIMEOUT.total_seconds()
    size: int = _ask(instance, commands.MEDIA, {"message": message}, seconds, MediaUnreachable())["size"]
    return size


def media_piece(instance: Instance, message: int, offset: int) -> str:
    """What follows `offset` in a file that was fetched, in base64, at most 512 KiB; empty at its end."""
    payload = {"message": message, "offset": offset}
    piece: str = _ask(instance, commands.MEDIA_PIECE, payload, PIECE_SECONDS, MediaUnreachable())["piece"]
    return piece


def connect(instance: Instance) -> Link:
    """Connect the instance, or begin to link it: the answer holds the QR text to show.

    Codes expire within a minute at most; call again for the newest one.
    Raises NotConnected when no connector is up, LinkingFailed with the reason.
    """
    return Link(**_change(instance, commands.CONNECT))


def pairing_code(instance: Instance, phone: str) -> str:
    """An eight-letter code to type into the phone, as an alternative to the QR code.

    `phone`: the number in international form. Raises as `connect`.
    """
    code: str = _change(instance, commands.PAIRING_CODE, phone=phone)["code"]
    return code


def disconnect(instance: Instance) -> None:
    """Take the instance off the air until `connect`; the phone keeps it linked."""
    _change(instance, commands.DISCONNECT)


def logout(instance: Instance) -> None:
    """Unlink the device, on the phone too where it can be reached, and delete its keys."""
    _change(instance, commands.LOGOUT)


def apply_preferences(instance: Instance) -> None:
    """Let the connection go by the preferences in the instance's row; another proxy means connecting anew.

    Raises NotConnected when no connector holds it: the next one that does goes by them.
    """
    _change(instance, commands.PREFERENCES)


def announce(instance: Instance) -> None:
    """Tell the connectors of a new instance, so that one takes it up at once."""
    try:
        broker().run(broker().publish_async(commands.WAKE, {"instance": instance.uid.hex}))
    except NobodyListens:
        log.debug("no connector is up; the next one finds the instance by itself")


def publish(uid: UUID, topic: str, payload: dict[str, Any]) -> None:
    """Tell live pages and webhooks some news of an instance."""
    broker().publish(commands.news_subject(uid, topic), payload)


def _change(instance: Instance, verb: str, phone: str = "") -> dict[str, Any]:
    change = commands.Change(deadline=time.time() + commands.LINK_SECONDS, phone=phone)
    linking = verb in (commands.CONNECT, commands.PAIRING_CODE)
    silence = LinkingFailed("WhatsApp did not answer. Try again.") if linking else None
    return _ask(instance, verb, change.to_payload(), change.seconds_left + GRACE_SECONDS, silence)


def _ask(
    instance: Instance,
    verb: str,
    payload: dict[str, Any],
    timeout: float,
    silence: WhatsAppError | None = None,
) -> dict[str, Any]:
    try:
        watch = commands.command_subject(instance.uid, commands.ALIVE)
        reply = broker().request(commands.command_subject(instance.uid, verb), payload, max(timeout, 0.1), watch)
    except NobodyListens as error:
        raise NotConnected from error
    except NoReply as error:
        raise silence or NotConfirmed() from error
    commands.raise_if_error(reply)
    return reply
