"""What is sealed with a secret that came with the message it is about: edits; in communities reactions and comments.

Since 2026 most edits come so. The library keeps the secret of each message it
decrypts, and leaves the seal to us. Source: whatsmeow, msgsecret.go.
"""

import hashlib
import hmac
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import (
    EncCommentMessage,
    EncReactionMessage,
    Message,
    ProtocolMessage,
    ReactionMessage,
    SecretEncryptedMessage,
)

from instances.whatsapp import events as ev
from instances.whatsapp.adapter import content, mending

log = logging.getLogger(__name__)

# What the seal of an edit is called, by what is edited.
EDITS = {
    SecretEncryptedMessage.MESSAGE_EDIT: "Message Edit",
    SecretEncryptedMessage.EVENT_EDIT: "Event Edit",
    SecretEncryptedMessage.POLL_EDIT: "Poll Edit",
}
# What a group of announcements has under a message, and what is inside.
_OF_COMMUNITIES: dict[str, tuple[str, Any]] = {
    "encReactionMessage": ("Enc Reaction", ReactionMessage),
    "encCommentMessage": ("Enc Comment", Message),
}

TRIES, PAUSE_SECONDS = 2, 1.0

# Asked with a chat, an author's names and a message's id: all names of theirs, and the secrets that came with it.
Find = Callable[[str, tuple[str, ...], str], tuple[list[str], list[bytes]]]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, under all names that are told with it, and in which chat."""

    chat: str
    names: tuple[str, ...]


def is_sealed(message: Message) -> bool:
    """Whether there is anything to open in a message that is in no envelope."""
    return message.HasField("secretEncryptedMessage") or any(map(message.HasField, _OF_COMMUNITIES))


def opened(message: Message, actor: Actor, find: Find) -> Message:
    """A message that `is_sealed`, without its seal. An edit that cannot be opened is one that says nothing."""
    if message.HasField("secretEncryptedMessage"):
        return _edit(message.secretEncryptedMessage, actor, find)
    for field, (label, kind) in _OF_COMMUNITIES.items():
        if message.HasField(field):
            sealed = getattr(message, field)
            key = sealed.targetMessageKey
            author = actor.names if key.fromMe else (ev.without_device(key.participant or key.remoteJID),)
            found = _open(sealed, actor, author, label, kind, find)
            if found is None:
                return message
            if kind is Message:
                return content.unwrapped(found)
            found.key.CopyFrom(key)
            return Message(reactionMessage=found)
    return message


def _edit(sealed: SecretEncryptedMessage, actor: Actor, find: Find) -> Message:
    label = EDITS.get(sealed.secretEncType, "")
    # Whoever edits has written it.
    found = _open(sealed, actor, actor.names, label, Message, find) if label else None
    inner = content.unwrapped(found) if found is not None else Message()
    # As it was before there were seals: an edit, with what the message says from now on in it.
    edit = ProtocolMessage(type=ProtocolMessage.MESSAGE_EDIT, key=sealed.targetMessageKey)
    if inner.HasField("protocolMessage"):
        edit.editedMessage.CopyFrom(inner.protocolMessage.editedMessage)
        edit.timestampMS = inner.protocolMessage.timestampMS
    else:
        edit.editedMessage.CopyFrom(inner)
    return Message(protocolMessage=edit)


def _open(
    sealed: SecretEncryptedMessage | EncReactionMessage | EncCommentMessage,
    actor: Actor,
    author: tuple[str, ...],
    label: str,
    kind: Any,
    find: Find,
) -> Any:
    message_id = sealed.targetMessageKey.ID
    # No database takes a NUL, and none is in any name.
    if not (message_id and sealed.encIV and sealed.encPayload) or "\0" in "".join((message_id, *author)):
        return None
    try:
        authors, secrets = _found(find, actor.chat, author, message_id)
    except Exception:
        log.exception("the keys could not be asked for the secret of a message: what was done to it stays sealed")
        return None
    actors = authors if set(actor.names) & set(authors) else actor.names
    # Under which of their names the two did it nobody says: the right pair is the one that opens it.
    for secret in secrets:
        for key in (key_of(secret, message_id, wrote, acts, label) for wrote in authors for acts in actors):
            plain = _decrypted(key, sealed.encIV, sealed.encPayload)
            if plain is not None:
                return _parsed(plain, kind)
    log.info("what was done to a message stays sealed (%s): its secret is not here", label)
    return None


def _found(find: Find, *question: Any) -> tuple[list[str], list[bytes]]:
    """What `find` answers. It is given once: if the keys' database is away for a moment, wait for it."""
    for _ in range(TRIES - 1):
        try:
            return find(*question)
        except Exception as error:
            log.warning("the keys could not be asked for the secret of a message, and are asked again: %s", error)
            time.sleep(PAUSE_SECONDS)
    return find(*question)


def key_of(secret: bytes, message_id: str, author: str, actor: str, label: str) -> bytes:
    """The key of what `actor` did to `author`'s message (HKDF-SHA256, one block)."""
    about = "".join((message_id, author, actor, label)).encode()
    return hmac.digest(hmac.digest(bytes(32), secret, hashlib.sha256), about + b"\x01", hashlib.sha256)


def _decrypted(key: bytes, nonce: bytes, sealed: bytes) -> bytes | None:
    # Here, because most processes never need it.
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(nonce, sealed, None)
    except (InvalidTag, ValueError):  # ValueError: a nonce of a length that is none.
        return None


def _parsed(plain: bytes, kind: Any) -> Any:
    try:
        found = kind.FromString(plain)
    except DecodeError:
        return None
    mending.mend_texts(found)
    return found
