"""Taking messages in: from the connector's plain events into rows, in batches.

The same event twice is one row. Edits, deletions and pins change the message
they are about, in whichever order the two arrive. Everything of one batch
happens in one transaction.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import BigIntegerField
from django.utils import timezone

from chats import events as told
from chats import harmless, pinbook, search
from chats.identity import Directory
from chats.models import Chat, Message
from chats.pinbook import Outcome, Wish
from chats.rules.notice import notice
from chats.storing import new_message, store
from instances.events import outbox
from instances.models import Instance
from instances.whatsapp.events import GroupChanged, MessageArrived, Party, PersonKnown, PinSettled, Stored
from portal.prepared import IsOneOf, Prepared, Texts

# Of a batch's five hundred ids, Django and the driver would make five hundred parameters, and take long for it.
_WITH_IDS = Prepared(
    lambda instance, ids: Message.objects.filter(IsOneOf("message_id", ids), instance=instance),
    instance=BigIntegerField(),
    ids=Texts(),
)
# Neither database sees by itself that none of many ids is empty, which is what the index is limited to.
_WAITING = Prepared(
    lambda instance, ids: Message.objects.filter(
        IsOneOf("target_id", ids), instance=instance, kind__in=Message.CHANGING
    ).exclude(target_id=""),
    instance=BigIntegerField(),
    ids=Texts(),
)


@dataclass(slots=True)
class Taken:
    """What a batch brought."""

    # New rows, and those that have become readable, in the order they came.
    messages: list[Message] = field(default_factory=list)
    # Messages whose text, deletion or pin changed.
    changed: set[int] = field(default_factory=set)
    # Groups of which WhatsApp must be asked what they are called and who their admins are.
    unknown_groups: set[str] = field(default_factory=set)
    # Groups of which it has just become known who their admins are.
    judged: list[Chat] = field(default_factory=list)
    at: datetime = field(default_factory=timezone.now)


@transaction.atomic
def take_in(instance: Instance, events: Sequence[Stored], *, live: bool = True) -> Taken:
    """Store a batch of one instance's events. Raises what the database raises; then nothing is stored.

    `live`: it happens now, so that rules look at it and others are told; not so the phone's history.
    """
    directory = Directory(instance, live)
    taken = Taken()
    events = [harmless.event(event) for event in events]
    # All names first: a later event may tell that two chats are one, and rows
    # made before that would point to the one that is no more.
    directory.foresee(_parties(events), _people(events))
    for event in events:
        _meet(directory, event)
    directory.settled = True
    rows: list[Message] = []
    for event in events:
        if isinstance(event, MessageArrived):
            rows.append(_row(directory, event))
        elif isinstance(event, GroupChanged):
            rows.extend(_group_change(directory, event, taken))
        elif isinstance(event, PinSettled):
            attempt, outcome = UUID(event.attempt), Outcome(event.outcome)
            pinbook.settle(attempt, outcome, at=event.at, stanza_id=event.stanza_id, detail=event.detail)
    fresh = _only_new(instance, rows)
    inserted = [row for row in fresh if row._state.adding]
    store(inserted)
    taken.messages = fresh
    _apply_changes(directory, fresh, taken)
    _note_last_message(fresh)
    if directory.named:
        search.note_nameless(instance, directory.named, live=live)
    # In the same transaction: a message and its place in the index come into being together.
    search.catch_up(inserted)
    taken.unknown_groups.update(chat.jid for chat in directory.new_groups if not chat.name)
    if live:
        notice(instance, fresh)
        _tell(instance, taken)
    return taken


def _tell(instance: Instance, taken: Taken) -> None:
    """Write down the events of a batch that some webhook wants, in the batch's own transaction."""
    if not taken.messages:
        return
    # The connector holds its instances for weeks: what is wanted may be news to it.
    wanted = Instance.objects.filter(pk=instance.pk).values_list("wanted_events", flat=True)
    instance.wanted_events = wanted.first() or ""
    if instance.wanted_events:
        outbox.put(filter(None, (told.of_message(message, taken.at) for message in taken.messages)))


def _parties(events: Sequence[Stored]) -> Iterator[Party]:
    for event in events:
        if isinstance(event, MessageArrived):
            yield event.sender
            yield event.chat
        elif isinstance(event, PersonKnown):
            yield event.person
        elif isinstance(event, GroupChanged):
            yield Party(event.jid)


def _people(events: Sequence[Stored]) -> Iterator[Party]:
    for event in events:
        if isinstance(event, GroupChanged):
            yield from event.people


def _meet(directory: Directory, event: Stored) -> None:
    if isinstance(event, MessageArrived):
        if event.from_me:
            directory.ourselves(event.sender)
        else:
            directory.person(event.sender)
        directory.chat(event.chat)
    elif isinstance(event, PersonKnown):
        directory.person(event.person, harmless.name(event.push_name), harmless.name(event.name))
    elif isinstance(event, GroupChanged):
        directory.people(event.people)


def _row(directory: Directory, event: MessageArrived) -> Message:
    chat = directory.chat(event.chat)
    name = harmless.name(event.push_name)
    sent_at = harmless.when(event.sent_at)
    sender = directory.ourselves(event.sender) if event.from_me else directory.person(event.sender, name)
    data = dict(harmless.data(event.data))
    if len(event.text) > harmless.LONGEST_TEXT:
        data["cut"] = len(event.text)
    if event.target is not None:
        data["same_author"] = event.target.by_same_author
        if event.target.participant and not event.target.by_same_author:
            data["author"] = harmless.jid(event.target.participant)
    if event.kind == Message.Kind.PIN:
        data["duration"] = harmless.duration(event.pin_duration)
    if event.disappears_after:
        data["disappears"] = harmless.duration(event.disappears_after)
    return new_message(
        directory.instance,
        chat,
        sender=sender,
        message_id=harmless.message_id(event.message_id),
        from_me=event.from_me,
        sent_at=sent_at,
        kind=event.kind,
        text=harmless.text(event.text),
        sender_name=name,
        quoted_id=harmless.message_id(event.quoted_id),
        target_id=harmless.message_id(event.target.message_id) if event.target else "",
        status=Message.Status(event.status or Message.Status.SENT) if event.from_me else None,
        data=data,
        disappears_at=_disappears_at(sent_at, data),
        wire_chat=event.chat.jid,
        wire_sender=event.sender.jid,
    )


def _disappears_at(sent_at: datetime, data: dict[str, Any]) -> datetime | None:
    seconds = data.get("disappears")
    return sent_at + timedelta(seconds=seconds) if seconds else None


def _group_change(directory: Directory, event: GroupChanged, taken: Taken) -> list[Message]:
    """Bring the group's row up to date; a line for the chat if there is something to say."""
    chat = directory.chat(Party(event.jid))
    for name, value in (("name", event.name), ("locked", event.locked), ("announce", event.announce)):
        # What history calls it is from before.
        if value is not None and (directory.live or name != "name" or not chat.name):
            setattr(chat, name, harmless.name(value) if isinstance(value, str) else value)
    if event.admins is not None:
        if chat.admins is None:
            taken.judged.append(chat)
        chat.admins = sorted(map(harmless.jid, event.admins))
    elif {"promoted", "demoted"} & event.change.keys():
        # It names people by one of their names: all are asked for.
        chat.admins = None
        taken.unknown_groups.add(chat.jid)
    chat.save(update_fields=["name", "locked", "announce", "admins"])
    if not event.text:
        return []
    actor = directory.person(event.actor) if event.actor else event.jid
    at = harmless.when(event.at)
    return [
        Message(
            instance=directory.instance,
            chat=chat,
            sender=actor,
            # The notice has no id of its own: the same change is the same line.
            message_id=f"group-{at:%Y%m%d%H%M%S}-{_fingerprint(event.text)}",
            from_me=actor == directory.instance.jid,
            sent_at=at,
            kind=Message.Kind.SYSTEM,
            text=harmless.text(event.text),
            data=harmless.data(event.change),
            wire_chat=event.jid,
            wire_sender=event.actor.jid if event.actor else event.jid,
        )
    ]


def _only_new(instance: Instance, rows: Iterable[Message]) -> list[Message]:
    """Drop what is stored already; what has become readable takes the row of what was not, and counts as new."""
    unique: dict[tuple[int, str, str], Message] = {}
    for row in rows:
        key = (row.chat_id, row.sender, row.message_id)
        if key not in unique or row.readable > unique[key].readable:
            unique[key] = row
    for old in _WITH_IDS.rows(instance=instance.pk, ids={key[2] for key in unique}):
        key = (old.chat_id, old.sender, old.message_id)
        if key not in unique:
            continue
        if unique[key].readable > old.readable:
            _take_its_row(unique[key], old)
        else:
            del unique[key]
    return list(unique.values())


def _take_its_row(message: Message, old: Message) -> None:
    """Let a message that has become readable stand in its own row: pin, history, plans and batches hang on that.

    What was done to it stays; edits are done once more, as its text is another now.
    """
    message.pk, message.deleted_at = old.pk, old.deleted_at
    message._state.adding, message._state.db = False, old._state.db
    message.sender_name = message.sender_name or old.sender_name
    message.status = max((one.status for one in (message, old) if one.status is not None), default=None)
    message.save(force_update=True)
    if message.disappears_at is not None:
        pinbook.message_read(message)


def _apply_changes(directory: Directory, fresh: list[Message], taken: Taken) -> None:
    """Carry out the edits, deletions and pins that now have their target, oldest first."""
    actions = [row for row in fresh if row.kind in Message.CHANGING]
    new = {id(row) for row in actions}
    there = {action.pk for action in actions}
    actions += [row for row in _possible_now(directory, fresh, taken) if row.pk not in there]
    if not actions:
        return
    targets: dict[tuple[int, str], list[Message]] = defaultdict(list)
    wanted = Message.objects.filter(instance=directory.instance, message_id__in={row.target_id for row in actions})
    for message in wanted.exclude(kind__in=Message.ACTIONS).select_related("chat"):
        targets[(message.chat_id, message.message_id)].append(message)
    for action in sorted(actions, key=lambda row: (row.sent_at, id(row) in new)):
        target = _choose(action, targets[(action.chat_id, action.target_id)])
        if target is None or (id(action) not in new and _noted(action, target)):
            continue
        try:
            if _change(target, action, directory.live):
                taken.changed.add(target.pk)
        except _AdminsUnknown:
            taken.unknown_groups.add(target.chat.jid)
            _wait_for_admins(action, True)
        else:
            if action.data.get("waits"):
                _wait_for_admins(action, False)


def _possible_now(directory: Directory, fresh: list[Message], taken: Taken) -> Iterable[Message]:
    """What was done before, and could not be then: its message was not there, or nobody knew whether its author may."""
    rows = _waiting_for(directory.instance, fresh)
    if directory.within_reach:
        rows += Message.objects.filter(pk__in=directory.within_reach)
    if taken.judged:
        rows += Message.objects.filter(chat__in=taken.judged, kind__in=Message.CHANGING, data__waits=True)
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


def _choose(action: Message, candidates: list[Message]) -> Message | None:
    """The message the action means; ids are only unique together with their sender."""
    author = action.sender if action.data.get("same_author") else action.data.get("author")
    candidates = [message for message in candidates if author in (message.sender, message.wire_sender)] or candidates
    return candidates[0] if candidates else None


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
    until = None if action.data.get("kept") else _disappears_at(target.sent_at, target.data)
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


def _note_last_message(fresh: list[Message]) -> None:
    newest: dict[int, tuple[Chat, datetime]] = {}
    for row in fresh:
        if row.kind in Message.ACTIONS:
            continue
        if row.chat_id not in newest or newest[row.chat_id][1] < row.sent_at:
            newest[row.chat_id] = (row.chat, row.sent_at)
    moved = []
    for chat, at in newest.values():
        if chat.last_message_at is None or chat.last_message_at < at:
            chat.last_message_at = at
            moved.append(chat)
    Chat.objects.bulk_update(moved, ["last_message_at"])


def _fingerprint(text: str) -> str:
    return hashlib.blake2s(text.encode(errors="replace"), digest_size=6).hexdigest()
