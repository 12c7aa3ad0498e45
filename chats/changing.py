"""What acts on another message: edits, deletions, pins and keepings change the one they are about.

In whichever order the two arrive, and only when whoever did it may. What comes
before its message, or before it is known who a group's admins are, waits in its
own row and is carried out when that changes. Called by `chats.intake`, in the
transaction that stores a batch.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import BigIntegerField

from chats import harmless, pinbook
from chats.identity import Directory
from chats.meant import by_name, meant_by
from chats.models import Chat, Message
from chats.pinbook import Wish
from instances.models import Instance
from portal.prepared import IsOneOf, Prepared, Texts

# Neither database sees by itself that none of many ids is empty, which is what the index is limited to.
_WAITING = Prepared(
    lambda instance, ids: Message.objects.filter(
        IsOneOf("target_id", ids), instance=instance, kind__in=Message.CHANGING
    ).exclude(target_id=""),
    instance=BigIntegerField(),
    ids=Texts(),
)


def carry_out(directory: Directory, fresh: list[Message], judged: list[Chat]) -> tuple[set[int], set[str]]:
    """Carry out the edits, deletions and pins that now have their target, oldest first.

    `fresh`: what a batch brought; `judged`: groups of which it has just become known who their admins are. Returns the
    keys of the messages that changed, and groups (JIDs) of which WhatsApp must be asked who their admins are.
    """
    changed: set[int] = set()
    unjudged: set[str] = set()
    actions = [row for row in fresh if row.kind in Message.CHANGING]
    new = {id(row) for row in actions}
    there = {action.pk for action in actions}
    actions += [row for row in _possible_now(directory, fresh, judged) if row.pk not in there]
    if not actions:
        return changed, unjudged
    wanted = Message.objects.filter(instance=directory.instance, message_id__in={row.target_id for row in actions})
    targets = by_name(wanted.exclude(kind__in=Message.ACTIONS).select_related("chat"))
    for action in sorted(actions, key=lambda row: (row.sent_at, id(row) in new)):
        target = meant_by(action, targets[(action.chat_id, action.target_id)])
        if target is None or (id(action) not in new and _noted(action, target)):
            continue
        try:
            if _change(target, action, directory.live):
                changed.add(target.pk)
        except _AdminsUnknown:
            unjudged.add(target.chat.jid)
            _wait_for_admins(action, True)
        else:
            if action.data.get("waits"):
                _wait_for_admins(action, False)
    return changed, unjudged


def _possible_now(directory: Directory, fresh: list[Message], judged: list[Chat]) -> Iterable[Message]:
    """What was done before, and could not be then: its message was not there, or nobody knew whether its author may."""
    rows = _waiting_for(directory.instance, fresh)
    if directory.within_reach:
        rows += Message.objects.filter(pk__in=directory.within_reach)
    if judged:
        rows += Message.objects.filter(chat__in=judged, kind__in=Message.CHANGING, data__waits=True)
    return {row.pk: row for row in rows}.values()


def _waiting_for(instance: Instance, fresh: list[Message]) -> list[Message]:
    """What was done to messages before they came."""
    told = {(row.chat_id, row.message_id) for row in fresh if row.kind not in Message.ACTIONS}
    rows = _WAITING.rows(instance=instance.pk, ids={message_id for _, message_id in told}) if told else []
    # An id may stand in several chats: what was done to another chat's message is done already.
    return [row for row in rows if (row.chat_id, row.target_id) in told]


def _noted(action: Message, target: Message) -> bool:
    """Whether a pin stands in its message's history: all else may be done once more and changes nothing."""
    return action.kind == Message.Kind.PIN and pinbook.was_seen(target, action.message_id, action.sent_at)


def _change(target: Message, action: Message, live: bool) -> bool:
    """Apply one edit, deletion or pin; False when it has no right or no effect."""
    if action.kind == Message.Kind.PIN:
        if not _phones_show(action, target.chat):
            return False
        wish = Wish(harmless.duration(action.data.get("duration")))
        pinbook.seen(target, wish, actor=action.sender, at=action.sent_at, stanza_id=action.message_id, live=live)
        return True
    if action.kind == Message.Kind.DELETE:
        # In a group an admin may delete for others; in a direct chat only the author may.
        if action.sender != target.sender and (
            target.chat.kind != Chat.Kind.GROUP or not _by_admin(action, target.chat)
        ):
            return False
        if not _set_once(target, "deleted_at", action.sent_at):
            return False
        pinbook.message_deleted(target, live)
        return True
    if action.kind == Message.Kind.KEEP:
        return _keep(target, action, live)
    if action.sender != target.sender or (target.deleted_at is not None and target.deleted_at <= action.sent_at):
        return False
    if target.edited_at is not None and target.edited_at > action.sent_at:
        return False
    if action.data.get("unread"):
        return False  # What it says now nobody here can tell; what it said before is more than nothing.
    target.text, target.edited_at = _with_file_name(action.text, target), action.sent_at
    target.save(update_fields=["text", "edited_at"])
    return True


def _phones_show(pin: Message, chat: Chat) -> bool:
    """Whether phones go by this pin: where only admins may, by an admin's. Raises _AdminsUnknown."""
    anybody_may = not (chat.locked or chat.announce)
    # Whose pin it is the history does not say; the phone has looked, and shows it.
    return anybody_may or pin.from_me or bool(pin.data.get("shown")) or _by_admin(pin, chat)


def _keep(target: Message, action: Message, live: bool) -> bool:
    """Let a disappearing message stay from now on, or no longer; False when that is so already."""
    until = None if action.data.get("kept") else disappears_at(target.sent_at, target.data)
    if target.disappears_at == until:
        return False
    target.disappears_at = until
    target.save(update_fields=["disappears_at"])
    pinbook.message_kept(target, live)
    return True


def _with_file_name(text: str, target: Message) -> str:
    """A file's new caption; its name, which is found by the same search, stays below (`adapter.parts.media`)."""
    name = harmless.text(str(target.data.get("fileName") or target.data.get("title") or ""))
    said = text.split("\n")
    return text if not name or said[-1] == name else "\n".join(filter(None, (text, name)))


class _AdminsUnknown(Exception):
    """Who the group's admins are is not known yet: what needs one waits until it is."""


def _by_admin(action: Message, chat: Chat) -> bool:
    """Whether an admin of the group did this. Raises _AdminsUnknown."""
    if chat.admins is None:
        raise _AdminsUnknown
    return bool({action.sender, action.wire_sender} & set(chat.admins))


def _wait_for_admins(action: Message, waits: bool) -> None:
    action.data = {**action.data, "waits": waits}
    action.save(update_fields=["data"])


def _set_once(target: Message, name: str, at: datetime) -> bool:
    if getattr(target, name) is not None:
        return False
    setattr(target, name, at)
    target.save(update_fields=[name])
    return True


def disappears_at(sent_at: datetime, data: dict[str, Any]) -> datetime | None:
    """When a message sent then disappears from the phones, by its `data`; None for one that stays."""
    seconds = data.get("disappears")
    return sent_at + timedelta(seconds=seconds) if seconds else None
