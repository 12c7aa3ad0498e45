# mypy: disable-error-code="import-untyped"
"""What newer phones send: a secret with each message, and edits and reactions that are sealed with it.

Written anew after whatsmeow's msgsecret.go, not after the portal's own code, which is held against it.
"""

from __future__ import annotations

import os
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from neonize.proto.waCommon.WACommon_pb2 import MessageKey
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e


def key(secret: bytes, message_id: str, author: str, actor: str, label: str) -> bytes:
    """The key of what ``actor`` does to ``author``'s message."""
    about = f"{message_id}{author}{actor}{label}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=about).derive(secret)


def with_secret(message: Any, secret: bytes) -> Any:
    """A message with its secret, as phones send each."""
    message.messageContextInfo.messageSecret = secret
    return message


def sealed_edit(
    secret: bytes, target: MessageKey, author: str, content: Any, *,
    kind: int = e2e.SecretEncryptedMessage.MESSAGE_EDIT, label: str = "Message Edit",
) -> Any:  # fmt: skip
    """An edit by its author, who goes by the name ``author``. ``content``: a Message, or one with a protocolMessage."""
    nonce, payload = _sealed(secret, target, author, author, label, content)
    envelope = e2e.SecretEncryptedMessage(targetMessageKey=target, encPayload=payload, encIV=nonce, secretEncType=kind)
    return e2e.Message(secretEncryptedMessage=envelope)


def sealed_reaction(secret: bytes, target: MessageKey, author: str, actor: str, text: str) -> Any:
    """A reaction to a message in a community's group of announcements."""
    nonce, payload = _sealed(secret, target, author, actor, "Enc Reaction", e2e.ReactionMessage(text=text))
    envelope = e2e.EncReactionMessage(targetMessageKey=target, encPayload=payload, encIV=nonce)
    return e2e.Message(encReactionMessage=envelope)


def sealed_comment(secret: bytes, target: MessageKey, author: str, actor: str, content: Any) -> Any:
    """A comment on a message there."""
    nonce, payload = _sealed(secret, target, author, actor, "Enc Comment", content)
    envelope = e2e.EncCommentMessage(targetMessageKey=target, encPayload=payload, encIV=nonce)
    return e2e.Message(encCommentMessage=envelope)


def _sealed(
    secret: bytes, target: MessageKey, author: str, actor: str, label: str, content: Any
) -> tuple[bytes, bytes]:
    nonce = os.urandom(12)
    cipher = AESGCM(key(secret, target.ID, author, actor, label))
    return nonce, cipher.encrypt(nonce, content.SerializeToString(), None)
