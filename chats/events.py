"""What other programs are told of messages and pins: the data of `instances.events`."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from chats.models import Batch, Chat, Message, Pin, PinEvent
from chats.reading import shown_message
from instances.events.kinds import BATCH, GROUP, MESSAGE, PIN, STATUS, Event
from instances.models import Instance
from instances.whatsapp.events import Receipt


def of_message(message: Message) -> Event | None:
    """A stored message; what a group's notice says is an event of its own, and a pin is told of as one."""
    about = message.chat.jid
    if message.kind == Message.Kind.PIN:
        return None
    if message.kind == Message.Kind.SYSTEM:
        return Event(message.instance, GROUP, str(message.pk), _group_change(message), about)
    data = {**shown_message(message), "targetId": message.target_id or None}
    return Event(message.instance, MESSAGE, str(message.pk), data, about)


def of_pin(pin: Pin, line: PinEvent) -> Event:
    """A line of a pin's history, with what the pin is from then on."""
    message = pin.message
    data = {
        "change": line.kind,
        "state": pin.state,
        "chatJid": message.chat.jid,
        "messageId": message.message_id,
        "fromMe": message.from_me,
        "pinning": line.pinning,
        "duration": line.duration,
        "pinnedAt": pin.pinned_at,
        "expiresAt": pin.expires_at,
        "by": line.actor,
        "detail": line.detail,
        "at": line.at,
    }
    return Event(message.instance, PIN, str(line.pk), data, message.chat.jid)


def of_batch(batch: Batch, change: str, counts: Mapping[str, int]) -> Event:
    """A batch that began, stopped, went on or came to its end, with how far it is."""
    at = timezone.now()
    data = {
        "change": change,
        "batchId": str(batch.uid),
        "action": batch.action,
        "duration": batch.duration,
        "state": batch.state,
        "why": batch.why,
        "counts": dict(counts),
        "by": batch.actor,
        "at": at,
    }
    return Event(batch.instance, BATCH, f"{batch.uid}:{change}:{at.isoformat()}", data, str(batch.uid))


def of_receipt(instance: Instance, receipt: Receipt, chat: Chat) -> Event:
    """How far messages of ours have come at somebody's devices."""
    jid = chat.jid
    data = {
        "chatJid": jid,
        "messageIds": list(receipt.message_ids),
        "status": receipt.status,
        "by": receipt.sender.alt or receipt.sender.jid,
        "at": receipt.at,
    }
    key = f"{jid}:{receipt.status}:{receipt.sender.jid}:{','.join(receipt.message_ids)}"
    return Event(instance, STATUS, key, data, jid)


def _group_change(message: Message) -> dict[str, Any]:
    return {
        "chatJid": message.chat.jid,
        "name": message.chat.name,
        "by": message.sender,
        "text": message.text,
        "at": message.sent_at,
        "change": message.data,
    }
