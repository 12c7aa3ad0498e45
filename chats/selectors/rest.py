"""What the API reads of one instance: its chats, the messages of one, its pins.

A message's `data` is left out: no list shows it, and it may hold 1 MiB.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from chats.models import Batch, BatchItem, Chat, Contact, Message, Pin, PinEvent, Rule, Schedule
from chats.selectors import chat_list
from chats.selectors.names import called
from chats.selectors.places import Place, following
from instances.models import Instance


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows, newest first, and where to go on (None: nowhere)."""

    rows: list[Any]
    next: Place | None


@dataclass(frozen=True, slots=True)
class Only:
    """Which of a chat's messages are wanted; None and empty: whichever."""

    kind: str = ""
    # A phone number's JID or a LID.
    sender: str = ""
    from_me: bool | None = None
    pinned: bool | None = None

    def of(self, found: QuerySet[Message], instance: int) -> QuerySet[Message]:
        """Those of `found`, messages of one instance."""
        if self.kind:
            found = found.filter(kind=self.kind)
        if self.sender:
            # Messages stand under the phone number where it is known.
            known = Contact.objects.filter(instance=instance, lid=self.sender).values("jid")
            found = found.filter(Q(sender=self.sender) | Q(sender__in=known))
        if self.from_me is not None:
            found = found.filter(from_me=self.from_me)
        if self.pinned is not None:
            pins = Pin.objects.filter(message__instance=instance, state=Pin.State.PINNED, expires_at__gt=timezone.now())
            is_pinned = Q(pk__in=pins.values("message"))
            found = found.filter(is_pinned if self.pinned else ~is_pinned)
        return found


def messages_of(
    chat: Chat, *, count: int, since: datetime | None, until: datetime | None, only: Only, before: Place | None
) -> Part:
    """The chat's messages sent from `since` to `until`, both included."""
    found = Message.objects.filter(chat=chat).exclude(kind__in=Message.ACTIONS).select_related("chat").defer("data")
    found = only.of(found, chat.instance_id)
    if since is not None:
        found = found.filter(sent_at__gte=since)
    if until is not None:
        found = found.filter(sent_at__lte=until)
    return _part(found, "sent_at", count, before)


def chats_of(instance: Instance, *, count: int, text: str, before: Place | None) -> Part:
    """The instance's chats, the one written in last first; `last` is each one's last message."""
    found = Chat.objects.filter(instance=instance, last_message_at__isnull=False)
    if text:
        found = found.filter(chat_list.named(text))
    found = found.annotate(last_pk=chat_list.last_message())
    part = _part(found, "last_message_at", count, before)
    last = Message.objects.defer("data").in_bulk([chat.last_pk for chat in part.rows if chat.last_pk])
    for chat in part.rows:
        chat.last = last.get(chat.last_pk)
        if chat.last is not None:
            chat.last.chat = chat
    return part


def pins_of(instance: Instance, *, state: str, jid: str, count: int, before: Place | None) -> Part:
    """The pins of the instance, or of one of its chats; `state` "all" for what ever was pinned."""
    found = Pin.objects.filter(message__instance=instance).select_related("message__chat").defer("message__data")
    if state == Pin.State.PINNED:
        # The connector marks what has run out a little later.
        found = found.filter(expires_at__gt=timezone.now())
    if state != "all":
        found = found.filter(state=state)
    if jid:
        found = found.filter(Q(message__chat__jid=jid) | Q(message__chat__lid=jid))
    found = found.annotate(actor_name=called(instance.pk))
    return _part(found, "changed_at", count, before)


def lines_of(message: Message, *, count: int, before: Place | None) -> Part:
    """What happened to a message's pin."""
    found = PinEvent.objects.filter(pin__message=message)
    return _part(found.annotate(actor_name=called(message.instance_id)), "at", count, before)


def schedules_of(instance: Instance, *, state: str, message_id: str, count: int, before: Place | None) -> Part:
    """What is planned for the instance's messages, or for one; `state` "all" for what is over too."""
    found = Schedule.objects.filter(message__instance=instance)
    found = found.select_related("message__chat").defer("message__data")
    if state != "all":
        found = found.filter(state=state)
    if message_id:
        found = found.filter(message__message_id=message_id)
    return _part(found, "created_at", count, before)


def batches_of(instance: Instance, *, state: str, count: int, before: Place | None) -> Part:
    """The instance's batches, or those in one state."""
    found = Batch.objects.filter(instance=instance)
    return _part(found if state == "all" else found.filter(state=state), "created_at", count, before)


def items_of(batch: Batch, *, state: str, count: int, after: int) -> tuple[list[BatchItem], int | None]:
    """Some of a batch's messages in their order, and after which one to go on."""
    found = batch.items.all()
    return following(found if state == "all" else found.filter(state=state), count, after)


def hits_of(rule: Rule, *, count: int, before: Place | None) -> Part:
    """What a rule found."""
    return _part(rule.hits.all(), "found_at", count, before)


def _part(found: QuerySet[Any], at: str, count: int, before: Place | None) -> Part:
    if before is not None:
        found = found.filter(before.older(at))
    rows = list(found.order_by(f"-{at}", "-pk")[: count + 1])
    last = rows[count - 1] if len(rows) > count else None
    return Part(rows[:count], Place(getattr(last, at), last.pk) if last is not None else None)
