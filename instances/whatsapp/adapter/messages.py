"""The library's messages as ours."""

from dataclasses import replace
from typing import Any

from neonize.proto import Neonize_pb2 as pb
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import ContextInfo, Message, PinInChatMessage

from chats import harmless
from instances.whatsapp import events as ev
from instances.whatsapp.adapter import content, jids, sealed

# Seconds: what WhatsApp's apps take a pin for that names no duration.
USUAL_PIN = 604_800


def read(event: pb.Message, find: sealed.Find) -> ev.MessageArrived | None:
    """A message that has come in; None for what is none to people."""
    info, message = event.Info, content.unwrapped(event.Message)
    if sealed.is_sealed(message):
        message = sealed.opened(message, _actor(info.MessageSource), find)
    kind, text, data = content.read(message)
    if kind is None:
        return None
    return replace(arrived(info, kind, text, data), **about_others(kind, message))


def _actor(source: pb.MessageSource) -> sealed.Actor:
    names = filter(None, (jids.text(source.Sender), jids.text(source.SenderAlt)))
    return sealed.Actor(jids.text(source.Chat), tuple(names))


def is_sealed(event: pb.Message) -> bool:
    """Whether it came under a seal."""
    return sealed.is_sealed(content.unwrapped(event.Message))


def about_others(kind: str, message: Message) -> dict[str, Any]:
    """What a message says of other messages: the quoted one, or the one it acts on."""
    found: dict[str, Any] = {}
    context = _context(message)
    if context is not None and context.stanzaID:
        found["quoted_id"] = context.stanzaID
    target = _target(message)
    if target is not None:
        found["target"] = target
    if kind == "pin":
        seconds = message.messageContextInfo.messageAddOnDurationInSecs
        pinning = message.pinInChatMessage.type == PinInChatMessage.PIN_FOR_ALL
        found["pin_duration"] = (seconds or USUAL_PIN) if pinning else None
    # What acts on another message does not disappear by itself.
    if context is not None and context.expiration and kind not in content.ACTING:
        found["disappears_after"] = context.expiration
    return found


def carried(event: Any) -> tuple[str, bool]:
    """The id of the message an event brings, and whether it brings more than keys."""
    if isinstance(event, pb.Message):
        return event.Info.ID, not {field.name for field, _ in event.Message.ListFields()} <= content.KEYS_ALONE
    if isinstance(event, pb.UndecryptableMessage):
        return event.Info.ID, False
    return "", False


def unreadable(event: pb.UndecryptableMessage) -> ev.MessageArrived:
    """A message of which nobody here can read more than who wrote it, and when."""
    return arrived(event.Info, "unreadable", "", {})


def arrived(info: pb.MessageInfo, kind: str, text: str, data: dict[str, Any]) -> ev.MessageArrived:
    """A message by what the library says of it, with what it says itself."""
    source = info.MessageSource
    sender = ev.Party(jids.text(source.Sender), jids.text(source.SenderAlt))
    other_side = source.RecipientAlt if source.IsFromMe else source.SenderAlt
    return ev.MessageArrived(
        message_id=info.ID,
        chat=ev.Party(jids.text(source.Chat), "" if source.IsGroup else jids.text(other_side)),
        sender=sender,
        is_group=source.IsGroup,
        from_me=source.IsFromMe,
        # Milliseconds; WhatsApp itself counts in whole seconds.
        sent_at=harmless.moment(info.Timestamp / 1000),
        kind=kind,
        text=text,
        push_name=info.Pushname,
        data=data,
    )


def _target(message: Message) -> ev.Target | None:
    for field in ("reactionMessage", "pinInChatMessage", "keepInChatMessage", "protocolMessage", "encReactionMessage"):
        if message.HasField(field):
            part = getattr(message, field)
            key = part.key if field != "encReactionMessage" else part.targetMessageKey
            return ev.Target(key.ID, key.fromMe, key.participant) if key.ID else None
    if message.HasField("pollUpdateMessage"):
        key = message.pollUpdateMessage.pollCreationMessageKey
        return ev.Target(key.ID, key.fromMe, key.participant)
    return None


def _context(message: Message) -> ContextInfo | None:
    for field, value in message.ListFields():
        may_have = field.message_type is not None and "contextInfo" in field.message_type.fields_by_name
        if may_have and not field.is_repeated and value.HasField("contextInfo"):
            context: ContextInfo = value.contextInfo
            return context
    return None
