"""What the library's errors mean. They arrive as text alone.

These are whatsmeow's own sentences (errors.go, request.go, send.go, download.go); what is not among them came before
anything was sent.
"""

import logging

from instances.whatsapp.errors import (
    Busy,
    MediaBroken,
    MediaGone,
    MediaUnreachable,
    NoMedia,
    NotConfirmed,
    NotConnected,
    NotInGroup,
    Refused,
    WhatsAppError,
)

log = logging.getLogger(__name__)

_NOT_CONNECTED = (
    "websocket not connected",
    "websocket disconnected before info query",
    "store doesn't contain a device JID",
)

# WhatsApp Web calls it NackCallerReachoutTimelocked.
_CODES = {
    "463": "error 463, this number may not write to people it has no recent conversation with, for a while. "
    "Who writes to it can be answered",
}

_NOT_IN_GROUP = ("not participating in that group", "that group does not exist")


def of_a_message(text: str) -> WhatsAppError:
    """Why a message was not sent, or is not known to be."""
    if "timed out waiting for message send response" in text or "before message send returned" in text:
        return NotConfirmed()
    if "server returned error" in text:
        code = text.rsplit(" ", 1)[-1]
        return Refused(_CODES.get(code, f"error {code}"))
    if any(words in text for words in _NOT_IN_GROUP):
        return NotInGroup()
    if any(words in text for words in _NOT_CONNECTED):
        return NotConnected()
    if "info query timed out" in text:  # Asking for the chat's devices, before anything was sent.
        return Busy()
    return Refused(text)


_BROKEN = ("hash of media", "hash of unencrypted media", "invalid media hmac", "file too short", "failed to decrypt")


def of_a_file(text: str) -> WhatsAppError:
    """Why a file could not be fetched."""
    if any(f"status code {code}" in text for code in (403, 404, 410)):
        return MediaGone()
    if any(words in text for words in _BROKEN):
        return MediaBroken()
    if any(words in text for words in _NOT_CONNECTED):
        return NotConnected()
    if "no url present" in text:
        return NoMedia()
    # Not what exactly: it quotes the address, with what opens it.
    log.warning("a file could not be fetched")
    return MediaUnreachable()


def of_a_code(text: str) -> str:
    """Why there is no pairing code, for people."""
    if "too short" in text:
        return "The phone number is too short. Write it in international form, for example +5511999999999."
    if "must not start with 0" in text:
        return "Write the phone number in international form: country code first, no leading 0."
    if "websocket" in text:
        return "There is no connection to WhatsApp at the moment. Try again."
    return f"WhatsApp gave no pairing code: {text}"
