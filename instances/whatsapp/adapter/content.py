"""What a message says, by its kind."""

from collections.abc import Callable
from functools import partial
from typing import Any

from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import KEEP_FOR_ALL, Message, ProtocolMessage

from instances.whatsapp.adapter import business
from instances.whatsapp.adapter.parts import Content, lines, media, place, says


def read(message: Message) -> Content:
    """Kind, searchable text and what else to keep; kind None for what is no message to people."""
    has = {field.name for field, _ in message.ListFields()}
    for field, reader in _READERS.items():
        if field in has:
            return reader(getattr(message, field))
    # In groups a message comes twice: once with nothing but the sender's key.
    if has <= KEYS_ALONE | _BETWEEN_DEVICES:
        return None, "", {}
    return "other", "", {"fields": sorted(has - {"messageContextInfo"})}


KEYS_ALONE = {"senderKeyDistributionMessage", "fastRatchetKeySenderKeyDistributionMessage", "messageContextInfo"}
# Of other things no chat shows anything: keys, requests for files, the history that a new member of a group is given,
# and who comes to an event, which is sealed.
_BETWEEN_DEVICES = {
    "groupRootKeyShare", "rootSecretDistributeMessage", "stickerSyncRmrMessage", "messageHistoryBundle",
    "encEventResponseMessage",
}  # fmt: skip
# What acts on another message instead of saying something.
ACTING = ("pin", "keep", "edit", "delete", "reaction", "poll_vote")


_ENVELOPES = ("FutureProofMessage", "CommentMessage")


def unwrapped(message: Message, depth: int = 5) -> Message:
    """The message inside its envelopes; whatsmeow leaves those of an album's pictures, mentions and newer polls."""
    for field, value in message.ListFields():
        if depth and field.message_type is not None and field.message_type.name in _ENVELOPES:
            return unwrapped(value.message, depth - 1)
    return message


def edited(edit: ProtocolMessage) -> tuple[Message, tuple[str, str, dict[str, Any]]] | None:
    """What a message says from this edit on; None when that cannot be read here."""
    # An edit within an edit is none of WhatsApp's, and may be nested without end.
    inner = unwrapped(edit.editedMessage)
    if inner.HasField("protocolMessage"):
        return None
    kind, text, data = read(inner)
    if kind is None or kind in ACTING or (kind == "other" and not text):
        return None
    return inner, (kind, text, data)


def _protocol(message: ProtocolMessage) -> Content:
    if message.type == ProtocolMessage.REVOKE and message.HasField("key"):
        return "delete", "", {}
    if message.type == ProtocolMessage.MESSAGE_EDIT:
        found = edited(message)
        # Empty is a text too, under a picture: what could not be read says so, and takes away nothing.
        return ("edit", found[1][1], {}) if found else ("edit", "", {"unread": True})
    if message.type == ProtocolMessage.EPHEMERAL_SETTING:
        seconds = message.ephemeralExpiration
        words = f"Disappearing messages: {seconds // 3600} hours" if seconds else "Disappearing messages: off"
        return "system", words, {}
    return None, "", {}  # Keys, history notices and the like: between devices.


def _poll(poll: Any) -> Content:
    options = [option.optionName for option in poll.options]
    return "poll", lines(poll.name, *options), {"options": options}


def _contacts(contacts: Any) -> Content:
    return "contact", lines(*(one.displayName for one in contacts)), {"vcards": [one.vcard for one in contacts]}


def _album(album: Any) -> Content:
    """What goes before the pictures of an album, which come one by one."""
    counted = ((album.expectedImageCount, "picture"), (album.expectedVideoCount, "video"))
    parts = (f"{count} {what}{'s' * (count > 1)}" for count, what in counted if count)
    return "other", ", ".join(("Album", *parts)), {}


def _noted(payment: Any) -> Content:
    return "other", read(unwrapped(payment.noteMessage))[1], {}


def _answer(answer: Any) -> Content:
    return "text", lines(*(part.messageText for part in answer.submessages)), {}


# Which field of a message makes it what it is, in the order they are looked for.
_READERS: dict[str, Callable[[Any], Content]] = {
    "conversation": lambda text: ("text", text, {}),
    "extendedTextMessage": says("text", "text"),
    "imageMessage": partial(media, "image"),
    "videoMessage": partial(media, "video"),
    "ptvMessage": partial(media, "video"),
    "documentMessage": partial(media, "document"),
    "stickerMessage": partial(media, "sticker"),
    "audioMessage": partial(media, "audio"),
    **{f"pollCreationMessage{version}": _poll for version in ("", "V2", "V3", "V5", "V6")},
    "reactionMessage": says("reaction", "text"),
    "encReactionMessage": says("reaction"),
    "pinInChatMessage": says("pin"),
    "keepInChatMessage": lambda keep: ("keep", "", {"kept": keep.keepType == KEEP_FOR_ALL}),
    "protocolMessage": _protocol,
    "pollUpdateMessage": says("poll_vote"),
    "locationMessage": place("name", "address", "comment"),
    "liveLocationMessage": place("caption"),
    "contactMessage": lambda contact: _contacts([contact]),
    "contactsArrayMessage": lambda several: _contacts(several.contacts),
    "eventMessage": says("event", "name", "description"),
    "groupInviteMessage": says("other", "groupName", "caption"),
    "templateButtonReplyMessage": says("text", "selectedDisplayText"),
    "buttonsResponseMessage": says("text", "selectedDisplayText"),
    "listResponseMessage": says("text", "title", "description"),
    "templateMessage": business.template,
    "highlyStructuredMessage": business.structured,
    "buttonsMessage": business.buttons,
    "listMessage": business.choice,
    "interactiveMessage": business.interactive,
    "interactiveResponseMessage": business.answer,
    "productMessage": business.product,
    "orderMessage": says("other", "orderTitle", "message"),
    "invoiceMessage": says("other", "note"),
    "albumMessage": _album,
    # What WhatsApp keeps from linked devices, codes to sign in with above all.
    "placeholderMessage": lambda _: ("other", "WhatsApp shows this message on the phone alone.", {}),
    "sendPaymentMessage": _noted,
    "requestPaymentMessage": _noted,
    "splitPaymentMessage": says("other", "description"),
    "paymentReminderMessage": says("other", "description"),
    "scheduledCallCreationMessage": says("event", "title"),
    "eventInviteMessage": says("event", "eventTitle", "caption"),
    "stickerPackMessage": says("sticker", "name", "caption"),
    "newsletterAdminInviteMessage": says("other", "newsletterName", "caption"),
    "newsletterFollowerInviteMessageV2": says("other", "newsletterName", "caption"),
    "questionResponseMessage": says("text", "text"),
    "statusQuestionAnswerMessage": says("text", "text"),
    "richResponseMessage": _answer,
    "pollResultSnapshotMessage": says("poll", "name"),
    "pollResultSnapshotMessageV3": says("poll", "name"),
}
