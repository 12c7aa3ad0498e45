"""Taking messages in: from the connector's plain events into rows, in batches.

The same event twice is one row. What edits, deletions and pins do to the
message they are about is in `chats.changing`. Everything of one batch happens
in one transaction.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import BigIntegerField
from django.utils import timezone

from chats import changing, harmless, pinbook, search
from chats import events as told
from chats.identity import Directory
from chats.models import Chat, Message
from chats.pinbook import Outcome
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
    taken.changed, unjudged = changing.carry_out(directory, fresh, taken.judged)
    _note_last_message(fresh)
    if directory.named:
        search.note_nameless(instance, directory.named, live=live)
    # In the same transaction: a message and its place in the index come into being together.
    search.catch_up(inserted)
    taken.unknown_groups.update(unjudged, (chat.jid for chat in directory.new_groups if not chat.name))
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
        disappears_at=changing.disappears_at(sent_at, data),
        wire_chat=event.chat.jid,
        wire_sender=event.sender.jid,
    )


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
