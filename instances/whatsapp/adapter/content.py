"""What a message says, by its kind."""

from collections.abc import Callable
from functools import partial
from typing import Any

from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import KEEP_FOR_ALL, Message, ProtocolMessage

# Kind, searchable text, what else to keep.
Content = tuple[str | None, str, dict[str, Any]]


def read(message: Message) -> Content:
    """Kind, searchable text and what else to keep; kind None for what is no message to people."""
    has = {field.name for field, _ in message.ListFields()}
    for field, reader in _READERS.items():
        if field in has:
            return reader(getattr(message, field))
    # In groups a message comes twice: once with nothing but the sender's key.
    if has <= KEYS_ALONE:
        return None, "", {}
    return "other", "", {"fields": sorted(has - {"messageContextInfo"})}


KEYS_ALONE = {"senderKeyDistributionMessage", "fastRatchetKeySenderKeyDistributionMessage", "messageContextInfo"}


def _says(kind: str, *fields: str) -> Callable[[Any], Content]:
    """A reader for what says something in one or more text fields."""
    return lambda part: (kind, _lines(*(getattr(part, field) for field in fields)), {})


def _lines(*texts: str) -> str:
    return "\n".join(filter(None, texts))


def _poll(poll: Any) -> Content:
    options = [option.optionName for option in poll.options]
    return "poll", _lines(poll.name, *options), {"options": options}


def _place(*fields: str) -> Callable[[Any], Content]:
    def reader(place: Any) -> Content:
        where = {"latitude": place.degreesLatitude, "longitude": place.degreesLongitude}
        return "location", _lines(*(getattr(place, field) for field in fields)), where

    return reader


def _contacts(contacts: Any) -> Content:
    return "contact", _lines(*(one.displayName for one in contacts)), {"vcards": [one.vcard for one in contacts]}


def _media(kind: str, media: Any) -> Content:
    """Media is kept as a reference with its key; nothing is downloaded here."""
    fields = {field.name for field, _ in media.ListFields()}
    if kind == "audio" and media.PTT:
        kind = "voice"
    data: dict[str, Any] = {"mimetype": media.mimetype, "length": media.fileLength}
    data["path"] = media.directPath
    for name, field in (("key", "mediaKey"), ("sha256", "fileSHA256"), ("encrypted_sha256", "fileEncSHA256")):
        data[name] = getattr(media, field).hex()
    for field in ("fileName", "title", "seconds", "width", "height", "viewOnce"):
        if field in fields:
            data[field] = getattr(media, field)
    caption = media.caption if "caption" in fields else ""
    name = data.get("fileName") or data.get("title") or ""
    return kind, _lines(caption, name), data


# Which field of a message a file is fetched as; its key is derived by the name of that.


def _protocol(message: ProtocolMessage) -> Content:
    if message.type == ProtocolMessage.REVOKE and message.HasField("key"):
        return "delete", "", {}
    if message.type == ProtocolMessage.MESSAGE_EDIT:
        _, text, _ = read(message.editedMessage)
        return "edit", text, {}
    if message.type == ProtocolMessage.EPHEMERAL_SETTING:
        seconds = message.ephemeralExpiration
        words = f"Disappearing messages: {seconds // 3600} hours" if seconds else "Disappearing messages: off"
        return "system", words, {}
    return None, "", {}  # Keys, history notices and the like: between devices.


# Which field of a message makes it what it is, in the order they are looked for.
_READERS: dict[str, Callable[[Any], Content]] = {
    "conversation": lambda text: ("text", text, {}),
    "extendedTextMessage": _says("text", "text"),
    "imageMessage": partial(_media, "image"),
    "videoMessage": partial(_media, "video"),
    "ptvMessage": partial(_media, "video"),
    "documentMessage": partial(_media, "document"),
    "stickerMessage": partial(_media, "sticker"),
    "audioMessage": partial(_media, "audio"),
    **{f"pollCreationMessage{version}": _poll for version in ("", "V2", "V3", "V5", "V6")},
    "reactionMessage": _says("reaction", "text"),
    "encReactionMessage": _says("reaction"),
    "pinInChatMessage": _says("pin"),
    "keepInChatMessage": lambda keep: ("keep", "", {"kept": keep.keepType == KEEP_FOR_ALL}),
    "protocolMessage": _protocol,
    "pollUpdateMessage": _says("poll_vote"),
    "locationMessage": _place("name", "address", "comment"),
    "liveLocationMessage": _place("caption"),
    "contactMessage": lambda contact: _contacts([contact]),
    "contactsArrayMessage": lambda several: _contacts(several.contacts),
    "eventMessage": _says("event", "name", "description"),
    "groupInviteMessage": _says("other", "groupName", "caption"),
    "templateButtonReplyMessage": _says("text", "selectedDisplayText"),
    "buttonsResponseMessage": _says("text", "selectedDisplayText"),
    "listResponseMessage": _says("text", "title"),
}
