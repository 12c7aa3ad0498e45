# mypy: disable-error-code="import-untyped"
"""Message protobufs an actor sends, built directly. Media get made-up keys, unless ``uploaded`` builds them."""

from __future__ import annotations

import os
import time
import zlib
from typing import Any

from neonize.proto.waCommon.WACommon_pb2 import MessageKey
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e
from neonize.proto.waHistorySync.WAWebProtobufsHistorySync_pb2 import Conversation, HistorySync, HistorySyncMsg
from neonize.proto.waWeb.WAWebProtobufsWeb_pb2 import WebMessageInfo

from . import sealing

Message = e2e.Message
Args = dict[str, Any]
LONG_AGO = 1_600_000_000


def key_of(to: str, args: Args) -> MessageKey:
    """The key of an earlier message: ``id``, ``from_me``, and in groups its author (``participant``)."""
    key = MessageKey(remoteJID=args.get("remote_jid") or to, fromMe=args["from_me"], ID=args["id"])
    if args.get("participant"):
        key.participant = args["participant"]
    return key


def text(to: str, args: Args) -> Any:
    message = Message(conversation=args["text"])
    return sealing.with_secret(message, bytes.fromhex(args["secret"])) if "secret" in args else message


def reply(to: str, args: Args) -> Any:
    quoted = e2e.ContextInfo(
        stanzaID=args["id"], participant=args["participant"], quotedMessage=Message(conversation=args.get("quoted", ""))
    )
    return Message(extendedTextMessage=e2e.ExtendedTextMessage(text=args["text"], contextInfo=quoted))


def edit(to: str, args: Args) -> Any:
    change = e2e.ProtocolMessage(
        key=MessageKey(remoteJID=to, fromMe=True, ID=args["id"]),
        type=e2e.ProtocolMessage.MESSAGE_EDIT,
        editedMessage=Message(conversation=args["text"]),
        timestampMS=_now_ms(),
    )
    return Message(editedMessage=e2e.FutureProofMessage(message=Message(protocolMessage=change)))


def sealed_edit(to: str, args: Args) -> Any:
    """An edit as newer phones send it: ``secret`` came with the message, ``author`` is the name the editor goes by."""
    target = MessageKey(remoteJID=to, fromMe=True, ID=args["id"])
    new = Message(conversation=args["text"])
    return sealing.sealed_edit(bytes.fromhex(args["secret"]), target, args["author"], new)


def delete(to: str, args: Args) -> Any:
    return Message(protocolMessage=e2e.ProtocolMessage(key=key_of(to, args), type=e2e.ProtocolMessage.REVOKE))


def react(to: str, args: Args) -> Any:
    reaction = e2e.ReactionMessage(key=key_of(to, args), text=args["text"], senderTimestampMS=_now_ms())
    return Message(reactionMessage=reaction)


def poll(to: str, args: Args) -> Any:
    options = [e2e.PollCreationMessage.Option(optionName=option) for option in args["options"]]
    creation = e2e.PollCreationMessage(name=args["question"], options=options, selectableOptionsCount=1)
    # Votes are sealed with this secret.
    secret = bytes.fromhex(args.get("secret", "")) or os.urandom(32)
    return sealing.with_secret(Message(pollCreationMessage=creation), secret)


def pin(to: str, args: Args) -> Any:
    """Pin for everyone, or unpin when ``duration`` (seconds) is None."""
    seconds = args.get("duration")
    kinds = e2e.PinInChatMessage
    pinned = kinds(
        key=key_of(to, args), type=kinds.PIN_FOR_ALL if seconds else kinds.UNPIN_FOR_ALL, senderTimestampMS=_now_ms()
    )
    context = e2e.MessageContextInfo(messageAddOnDurationInSecs=seconds) if seconds else None
    return Message(pinInChatMessage=pinned, messageContextInfo=context)


def image(to: str, args: Args) -> Any:
    return Message(
        imageMessage=e2e.ImageMessage(**_media("image/jpeg"), caption=args.get("caption"), width=640, height=480)
    )


def video(to: str, args: Args) -> Any:
    return Message(videoMessage=e2e.VideoMessage(**_media("video/mp4"), caption=args.get("caption"), seconds=12))


def audio(to: str, args: Args) -> Any:
    return Message(
        audioMessage=e2e.AudioMessage(**_media("audio/ogg; codecs=opus"), seconds=5, PTT=args.get("voice", False))
    )


def document(to: str, args: Args) -> Any:
    name, caption = args.get("name", "report.pdf"), args.get("caption")
    plain = Message(
        documentMessage=e2e.DocumentMessage(**_media("application/pdf"), fileName=name, title=name, caption=caption)
    )
    if not caption:
        return plain
    return Message(documentWithCaptionMessage=e2e.FutureProofMessage(message=plain))


def sticker(to: str, args: Args) -> Any:
    return Message(stickerMessage=e2e.StickerMessage(**_media("image/webp"), width=512, height=512))


def uploaded(kind: str, upload: Any, args: Args) -> Any:
    """Media of which WhatsApp has the file. ``args``: fields by their names, bytes in hex."""
    part = getattr(e2e, f"{kind.capitalize()}Message")
    fields = {
        "URL": upload.url,
        "directPath": upload.DirectPath,
        "mediaKey": upload.MediaKey,
        "fileSHA256": upload.FileSHA256,
        "fileEncSHA256": upload.FileEncSHA256,
        "fileLength": upload.FileLength,
        "mediaKeyTimestamp": int(time.time()),
    }
    for name, value in args.items():
        is_bytes = part.DESCRIPTOR.fields_by_name[name].type == part.DESCRIPTOR.fields_by_name["mediaKey"].type
        fields[name] = bytes.fromhex(value) if is_bytes else value
    return Message(**{f"{kind}Message": part(**fields)})


def location(to: str, args: Args) -> Any:
    place = e2e.LocationMessage(
        degreesLatitude=args["latitude"], degreesLongitude=args["longitude"], name=args.get("name")
    )
    return Message(locationMessage=place)


def contact(to: str, args: Args) -> Any:
    name, phone = args["name"], args["phone"]
    card = f"BEGIN:VCARD\nVERSION:3.0\nFN:{name}\nTEL;type=CELL;waid={phone}:+{phone}\nEND:VCARD"
    return Message(contactMessage=e2e.ContactMessage(displayName=name, vcard=card))


def view_once(to: str, args: Args) -> Any:
    inner = e2e.ImageMessage(**_media("image/jpeg"), caption=args.get("caption"), viewOnce=True)
    return Message(viewOnceMessageV2=e2e.FutureProofMessage(message=Message(imageMessage=inner)))


def ephemeral(to: str, args: Args) -> Any:
    lasting = e2e.ExtendedTextMessage(
        text=args["text"], contextInfo=e2e.ContextInfo(expiration=args.get("seconds", 86400))
    )
    return Message(ephemeralMessage=e2e.FutureProofMessage(message=Message(extendedTextMessage=lasting)))


def app_state_key(to: str, args: Args) -> Any:
    """What the phone gives its companions so that they can read and write app state."""
    data = e2e.AppStateSyncKeyData(
        keyData=bytes.fromhex(args["key"]),
        fingerprint=e2e.AppStateSyncKeyFingerprint(rawID=1, currentIndex=0, deviceIndexes=[0]),
        timestamp=_now_ms(),
    )
    key = e2e.AppStateSyncKey(keyID=e2e.AppStateSyncKeyId(keyID=bytes.fromhex(args["key_id"])), keyData=data)
    share = e2e.AppStateSyncKeyShare(keys=[key])
    kind = e2e.ProtocolMessage.APP_STATE_SYNC_KEY_SHARE
    return Message(protocolMessage=e2e.ProtocolMessage(type=kind, appStateSyncKeyShare=share))


def history(to: str, args: Args) -> Any:
    """A history sync of this one chat, its payload inside the message itself: no download."""
    messages = []
    for one in args["messages"]:
        content = Message(conversation=one["text"])
        name = one.get("push_name", "")
        messages.append(_past(args["chat"], one["id"], content, one["from_me"], one["timestamp"], name))
    return _synced([Conversation(ID=args["chat"], name=args.get("name", ""), messages=messages)], 100)


def large_history(to: str, args: Args) -> Any:
    """A piece of a large account's history: ``chats`` chats from number ``first`` on, ``messages`` in each.

    Every tenth chat is a group, in which fifty people write in turn; every fifth message is a picture with a caption,
    every third our own.
    """
    conversations = []
    for number in range(args["first"], args["first"] + args["chats"]):
        group = number % 10 == 9
        chat = f"12036311{number:010}@g.us" if group else f"55118{number:08}@s.whatsapp.net"
        messages = []
        # Phones tell the newest first.
        for at in reversed(range(args["messages"])):
            text, ours = f"number {at} of {number}", at % 3 == 0
            content = image(to, {"caption": text}) if at % 5 == 4 else Message(conversation=text)
            past = _past(chat, f"LARGE{number:05}{at:05}", content, ours, LONG_AGO + at, "Eva")
            if group and not ours:
                past.message.key.participant = f"55117{at % 50:08}@s.whatsapp.net"
            messages.append(past)
        conversations.append(Conversation(ID=chat, name=f"Group {number}" if group else None, messages=messages))
    return _synced(conversations, args["progress"])


def _past(chat: str, message_id: str, content: Any, from_me: bool, timestamp: int, push_name: str) -> HistorySyncMsg:
    return HistorySyncMsg(
        message=WebMessageInfo(
            key=MessageKey(remoteJID=chat, fromMe=from_me, ID=message_id),
            message=content,
            messageTimestamp=timestamp,
            pushName=push_name,
        )
    )


def _synced(conversations: list[Conversation], progress: int) -> Any:
    synced = HistorySync(syncType=HistorySync.RECENT, conversations=conversations, chunkOrder=1, progress=progress)
    notification = e2e.HistorySyncNotification(
        syncType=e2e.HistorySyncType.RECENT,
        chunkOrder=1,
        progress=progress,
        initialHistBootstrapInlinePayload=zlib.compress(synced.SerializeToString()),
    )
    kind = e2e.ProtocolMessage.HISTORY_SYNC_NOTIFICATION
    return Message(protocolMessage=e2e.ProtocolMessage(type=kind, historySyncNotification=notification))


def bomb(megabytes: int) -> bytes:
    """A serialized message with a piece of history that inflates to so much."""
    packer, zeros = zlib.compressobj(9), bytes(2**20)
    packed = b"".join(packer.compress(zeros) for _ in range(megabytes)) + packer.flush()
    notification = e2e.HistorySyncNotification(
        syncType=e2e.HistorySyncType.RECENT, chunkOrder=1, progress=50, initialHistBootstrapInlinePayload=packed
    )
    kind = e2e.ProtocolMessage.HISTORY_SYNC_NOTIFICATION
    message = Message(protocolMessage=e2e.ProtocolMessage(type=kind, historySyncNotification=notification))
    return bytes(message.SerializeToString())


def raw(to: str, args: Args) -> Any:
    """Any message, given as the serialized protobuf in hex."""
    return Message.FromString(bytes.fromhex(args["hex"]))


BUILDERS = {
    builder.__name__: builder
    for builder in (
        text, reply, edit, sealed_edit, delete, react, poll, pin, image, video, audio, document, sticker, location,
        contact, view_once, ephemeral, app_state_key, history, large_history, raw,
    )
}  # fmt: skip


def _media(mimetype: str) -> dict[str, Any]:
    path = f"/v/t62.7118-24/{os.urandom(8).hex()}.enc"
    return {
        "URL": f"https://mmg.whatsapp.net{path}",
        "directPath": path,
        "mimetype": mimetype,
        "mediaKey": os.urandom(32),
        "fileSHA256": os.urandom(32),
        "fileEncSHA256": os.urandom(32),
        "fileLength": 34_567,
        "mediaKeyTimestamp": int(time.time()),
    }


def _now_ms() -> int:
    return int(time.time() * 1000)
