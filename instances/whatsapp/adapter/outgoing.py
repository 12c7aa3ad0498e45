"""What we send, as the library's messages."""

from datetime import datetime
from typing import Any

from neonize.proto.waCommon.WACommon_pb2 import MessageKey
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import (
    AudioMessage,
    ContextInfo,
    DocumentMessage,
    ExtendedTextMessage,
    ImageMessage,
    Message,
    MessageContextInfo,
    PinInChatMessage,
    StickerMessage,
    VideoMessage,
)

# Which field of a message a file is fetched as; its key is derived by the name of that.
_DOWNLOADABLE: dict[str, tuple[str, type[Any]]] = {
    "image": ("imageMessage", ImageMessage),
    "video": ("videoMessage", VideoMessage),
    "audio": ("audioMessage", AudioMessage),
    "voice": ("audioMessage", AudioMessage),
    "document": ("documentMessage", DocumentMessage),
    "sticker": ("stickerMessage", StickerMessage),
}


def pin(
    chat: str, message_id: str, from_me: bool, participant: str | None, duration: int | None, sent_at: datetime
) -> Message:
    """A pin for `duration` seconds, or an unpin (None).

    The library's own `pin_message` can neither unpin nor leave the participant out. whatsmeow gives the stanza
    `edit="2"`, without which phones ignore a pin.
    """
    key = MessageKey(remoteJID=chat, fromMe=from_me, ID=message_id)
    if participant is not None:
        key.participant = participant
    message = Message(
        pinInChatMessage=PinInChatMessage(
            key=key,
            type=PinInChatMessage.PIN_FOR_ALL if duration is not None else PinInChatMessage.UNPIN_FOR_ALL,
            senderTimestampMS=int(sent_at.timestamp() * 1000),
        )
    )
    if duration is not None:
        message.messageContextInfo.CopyFrom(MessageContextInfo(messageAddOnDurationInSecs=duration))
    return message


def text(words: str, quoted: tuple[str, str, str] | None) -> Message:
    """A text, quoting (id, author, text) if given."""
    if quoted is None:
        return Message(conversation=words)
    stanza_id, author, quote = quoted
    context = ContextInfo(stanzaID=stanza_id, participant=author, quotedMessage=Message(conversation=quote))
    return Message(extendedTextMessage=ExtendedTextMessage(text=words, contextInfo=context))


def file(kind: str, path: str, key: bytes, sha256: bytes, encrypted_sha256: bytes) -> Message:
    """What the library must know of a file to fetch it."""
    field, part = _DOWNLOADABLE[kind]
    media = part(directPath=path, fileSHA256=sha256)
    if key:
        media.mediaKey, media.fileEncSHA256 = key, encrypted_sha256
    return Message(**{field: media})
