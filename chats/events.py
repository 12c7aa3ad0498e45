"""What other programs are told of messages and pins: the data of `instances.events`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from chats.models import Batch, Chat, Message, Pin, PinEvent, Rule, RuleHit, Schedule
from chats.shown import shown_message
from instances.events.kinds import BATCH, GROUP, MESSAGE, PIN, RULE, SCHEDULE, STATUS, Event
from instances.models import Instance
from instances.whatsapp.events import Receipt


def of_message(message: Message, at: datetime) -> Event | None:
    """A stored message; what a group's notice says is an event of its own, and a pin is told of as one.

    `at`: when it was stored, which is told the same to whoever hears of it, whichever way and however late.
    """
    about = message.chat.jid
    if message.kind == Message.Kind.PIN:
        return None
    key = _once(message.pk, message.stored_at)
    if message.kind == Message.Kind.SYSTEM:
        return Event(message.instance, GROUP, key, _group_change(message), about, at)
    data = {**shown_message(message), "targetId": message.target_id or None}
    # It is told again once it can be read: under the same id, receivers would take it for what they have.
    if message.readable < 2:
        key = f"{key}:{message.readable}"
    return Event(message.instance, MESSAGE, key, data, about, at)


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
    # WhatsApp's times are whole seconds: two pins of one second differ by their messages.
    key = f"{_once(line.pk, line.at)}:{line.kind}:{message.message_id}"
    return Event(message.instance, PIN, key, data, message.chat.jid)


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


def of_rule(rule: Rule, change: str, by: str, hit: RuleHit | None = None) -> Event:
    """A rule that was added, switched or deleted; or, with `hit`, what came of a message that it found."""
    at = timezone.now()
    data = {
        "change": change,
        "ruleId": str(rule.uid),
        "name": rule.name,
        "trigger": rule.trigger,
        "active": rule.active,
        "chatJid": hit.chat_jid if hit is not None else None,
        "messageId": hit.called if hit is not None else None,
        "detail": hit.detail if hit is not None else "",
        "by": by,
        "at": at,
    }
    about = str(rule.uid)
    key = f"{about}:{change}:{data['messageId']}:{at.isoformat()}"
    return Event(rule.instance, RULE, key, data, about)


def of_schedule(schedule: Schedule, change: str, by: str, detail: str = "") -> Event:
    """A schedule that was made, cancelled or lost, or what came of one of its steps; with what comes next."""
    at = timezone.now()
    message = schedule.message
    lost, begun = change == "lost", change in ("made", "cancelled")
    waits = schedule.state == Schedule.State.WAITING and not lost
    data = {
        "change": change,
        "scheduleId": str(schedule.uid),
        "chatJid": message.chat.jid,
        "messageId": message.message_id,
        "fromMe": message.from_me,
        "step": None if begun else schedule.step if lost else schedule.last_step,
        "state": change if lost else schedule.state,
        "next": schedule.step if waits else None,
        "nextAt": schedule.due_at if waits else None,
        "by": by,
        "detail": detail,
        "at": at,
    }
    key = f"{schedule.uid}:{change}:{at.isoformat()}"
    return Event(message.instance, SCHEDULE, key, data, message.chat.jid)


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


def _once(pk: int, at: datetime) -> str:
    """What names a row for good: a database that is restored gives the numbers since its backup once more.

    Receivers would take what bears the id of something they have for the same, and drop it.
    """
    return f"{pk}:{at.isoformat()}"


def _group_change(message: Message) -> dict[str, Any]:
    return {
        "chatJid": message.chat.jid,
        "name": message.chat.name,
        "by": message.sender,
        "text": message.text,
        "at": message.sent_at,
        "change": message.data,
    }
