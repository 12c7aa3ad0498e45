"""A piece of the phone's history."""

import logging
import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from google.protobuf.message import DecodeError
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message, ProtocolMessage
from neonize.proto.waHistorySync.WAWebProtobufsHistorySync_pb2 import HistorySync
from neonize.proto.waWeb.WAWebProtobufsWeb_pb2 import PinInChat, WebMessageInfo

from chats import harmless
from instances.whatsapp import events as ev
from instances.whatsapp.adapter import content, mending, messages
from instances.whatsapp.adapter.past_seals import Seals

log = logging.getLogger(__name__)


def read_history(payload: bytes, own: ev.Party) -> tuple[int | None, Iterator[ev.Stored]]:
    """Open a piece of history: how far along the phone says it is (percent; not each piece says), and what it tells.

    `own`: our two names. Raises ValueError when it is no history at all; a
    message in it that cannot be read is skipped and logged.
    """
    try:
        history = HistorySync.FromString(payload)
    except DecodeError as error:
        # One message that is too deep must not cost all others.
        try:
            history = HistorySync.FromString(mending.shallow(payload, HistorySync, ("conversations", "messages")))
        except (DecodeError, ValueError):
            raise ValueError("this is no history of WhatsApp's") from error
        log.warning("of a piece of history, what is nested too deep was left out")
    return history.progress if history.HasField("progress") else None, _told(history, own)


def _told(history: HistorySync, own: ev.Party) -> Iterator[ev.Stored]:
    mending.mend_texts(history)
    yield from _people(history)
    others = {pair.pnJID: pair.lidJID for pair in history.phoneNumberToLidMappings}
    others |= {lid: number for number, lid in others.items()}
    for conversation in history.conversations:
        if not conversation.ID:
            continue
        names = [name for name in (conversation.ID, conversation.lidJID, conversation.pnJID) if name]
        chat = ev.Party(conversation.ID, next((name for name in names if name != conversation.ID), ""))
        group = conversation.ID.endswith("@g.us")
        if group and conversation.name:
            yield ev.GroupChanged(conversation.ID, datetime.now(UTC), name=conversation.name)
        elif not group:
            yield from _person(chat.jid, chat.alt, conversation.name or conversation.displayName)
        sender_of = partial(_sender, chat, group, own)
        seals = Seals(conversation, sender_of, others)
        for wrapped in conversation.messages:
            try:
                yield from _past(wrapped.message, chat, group, own, seals.opened(wrapped.message))
            except Exception:
                log.exception("a message of the history could not be read")


def _people(history: HistorySync) -> Iterator[ev.PersonKnown]:
    for pair in history.phoneNumberToLidMappings:
        yield ev.PersonKnown(ev.Party(pair.pnJID, pair.lidJID))
    for name in history.pushnames:
        yield ev.PersonKnown(ev.Party(name.ID), name.pushname)
    # The address book, as far as it belongs to this piece.
    for one in history.inlineContacts:
        yield from _person(one.pnJID, one.lidJID, one.fullName or one.firstName)


def _person(jid: str, alt: str, name: str) -> Iterator[ev.PersonKnown]:
    """What the phone calls somebody; nothing when that is only their number, and their other name is not told."""
    jid, alt = jid or alt, alt if jid else ""
    name = "" if re.fullmatch(r"[+0-9\s().\u00a0\u2010-\u2015-]*", name) else name
    if "@" in jid and (alt or name):
        yield ev.PersonKnown(ev.Party(jid, alt), name=name)


# WebMessageInfo's: acknowledged by the server, by the other side's device, read, played.
_STATUSES = {
    WebMessageInfo.SERVER_ACK: 1,
    WebMessageInfo.DELIVERY_ACK: 2,
    WebMessageInfo.READ: 3,
    WebMessageInfo.PLAYED: 4,
}


def _sender(chat: ev.Party, group: bool, own: ev.Party, past: WebMessageInfo) -> ev.Party:
    if past.key.fromMe:
        return own
    return ev.Party(past.key.participant or past.participant) if group else chat


def _past(past: WebMessageInfo, chat: ev.Party, group: bool, own: ev.Party, message: Message) -> Iterator[ev.Stored]:
    """A message of the past, its last edit if it was edited, and its pin if it has one."""
    kind, text, data = content.read(message)
    if kind is None or not past.key.ID:
        return
    arrived = ev.MessageArrived(
        message_id=past.key.ID,
        chat=chat,
        sender=_sender(chat, group, own, past),
        is_group=group,
        from_me=past.key.fromMe,
        sent_at=harmless.moment(past.messageTimestamp),
        kind=kind,
        text=text,
        push_name="" if past.key.fromMe else past.pushName,
        status=_STATUSES.get(past.status) if past.key.fromMe else None,
        data=data,
    )
    arrived = replace(arrived, **messages.about_others(kind, message))
    if kind == "edit" and arrived.target is not None:
        edit, arrived = arrived, _edited(arrived, arrived.target.message_id, message.protocolMessage)
        yield arrived
        yield _past_edit(edit, arrived.message_id, message.protocolMessage)
    else:
        yield arrived
    if past.HasField("pinInChat"):
        yield _past_pin(arrived, past.pinInChat, own)


def _edited(edit: ev.MessageArrived, original: str, protocol: ProtocolMessage) -> ev.MessageArrived:
    """The message that was edited, as it is now: the edit stands in its place, and it comes in no other form."""
    plain = replace(edit, message_id=original, kind="unreadable", text="", data={}, target=None)
    found = content.edited(protocol)
    if found is None:
        return plain
    message, (kind, text, data) = found
    return replace(plain, kind=kind, text=text, data=data, **messages.about_others(kind, message))


def _past_edit(edit: ev.MessageArrived, original: str, protocol: ProtocolMessage) -> ev.MessageArrived:
    """The edit itself, for whom the message has come to in its first form, or will.

    The time is its own, which its author's clock says: between the message's and now. Its name is its own too.
    """
    at = harmless.moment(protocol.timestampMS / 1000) if protocol.timestampMS else edit.sent_at
    edit = replace(edit, sent_at=max(edit.sent_at, min(at, datetime.now(UTC))), status=None)
    if edit.message_id != original:
        return edit
    # Which of its edits it is: where no time is told, by what it says.
    which = protocol.timestampMS or zlib.crc32(protocol.SerializePartialToString(deterministic=True))
    return replace(edit, message_id=f"edit-{original}-{which}")


def _past_pin(pinned: ev.MessageArrived, pin: PinInChat, own: ev.Party) -> ev.MessageArrived:
    """The pin under which the phone shows a message, as if it had just been told; `shown` says that it does.

    Who pinned it is not said unless it was us: in a group nobody is named but the group.
    """
    seconds = pin.messageAddOnContextInfo.messageAddOnDurationInSecs
    return replace(
        pinned,
        message_id=f"pin-{pinned.message_id}-{pin.serverTimestampMS or pin.senderTimestampMS}",
        sender=own if pin.key.fromMe else pinned.chat,
        from_me=pin.key.fromMe,
        sent_at=harmless.moment((pin.senderTimestampMS or pin.serverTimestampMS) / 1000),
        kind="pin",
        text="",
        push_name="",
        data={"shown": True},
        quoted_id="",
        disappears_after=0,
        target=ev.Target(pinned.message_id, by_same_author=False),
        pin_duration=(seconds or messages.USUAL_PIN) if pin.type == PinInChat.PIN_FOR_ALL else None,
    )
