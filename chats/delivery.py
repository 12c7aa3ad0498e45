"""How far our messages have come: sent, delivered, read, played; only ever forward."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from django.db import transaction
from django.db.models import Q

from chats.events import of_receipt
from chats.models import Chat, Message
from instances.events import outbox
from instances.events.kinds import Event
from instances.models import Instance
from instances.whatsapp.events import Receipt

# Ids in one query: SQLite takes no more than so many parameters.
CHUNK = 500


@dataclass(slots=True)
class Told:
    """What receipts changed: the keys of messages by their new status; and those whose message is not stored (yet)."""

    changed: dict[Message.Status, list[int]] = field(default_factory=dict)
    # For other programs: each receipt, by whom.
    events: list[Event] = field(default_factory=list)
    # (what is left of it, the receipt itself)
    strangers: list[tuple[Receipt, Receipt]] = field(default_factory=list)


@transaction.atomic
def advance(instance: Instance, receipts: Sequence[Receipt]) -> Told:
    """Move the messages on that receipts speak of. Raises what the database raises; repeating does no harm."""
    stored = _stored(instance, {one for receipt in receipts for one in receipt.message_ids})
    told = Told()
    reached: dict[int, Message.Status] = {}
    heard: dict[int, tuple[Chat, list[str]]]
    for receipt in receipts:
        status = Message.Status[receipt.status.upper()]
        heard = {}
        for message in (message for one in receipt.message_ids for message in stored.get(one, ())):
            # Whoever writes to us speaks for their own chat, and for no other.
            if receipt.chat.jid in (message.wire_chat, message.chat.jid, message.chat.lid):
                heard.setdefault(message.chat_id, (message.chat, []))[1].append(message.message_id)
                now = reached.get(message.pk, message.status or 0)
                if status > now:
                    reached[message.pk] = status
        for chat, ids in heard.values():
            told.events.append(of_receipt(instance, replace(receipt, message_ids=tuple(ids)), chat))
        unknown = tuple(one for one in receipt.message_ids if one not in stored)
        if unknown:
            told.strangers.append((replace(receipt, message_ids=unknown), receipt))
    for key, status in reached.items():
        told.changed.setdefault(status, []).append(key)
    for status, keys in told.changed.items():
        for at in range(0, len(keys), CHUNK):
            behind = Q(status__isnull=True) | Q(status__lt=status)
            Message.objects.filter(behind, pk__in=keys[at : at + CHUNK]).update(status=status)
    _tell(instance, told)
    return told


def _tell(instance: Instance, told: Told) -> None:
    """Write down what some webhook wants; the connector holds its instances for weeks, so that is asked anew."""
    if not told.events:
        return
    wanted = Instance.objects.filter(pk=instance.pk).values_list("wanted_events", flat=True)
    instance.wanted_events = wanted.first() or ""
    outbox.put(told.events)


def _stored(instance: Instance, ids: set[str]) -> dict[str, list[Message]]:
    """Our messages by id; the id alone may stand in several chats."""
    listed, found = sorted(ids), defaultdict(list)
    for at in range(0, len(listed), CHUNK):
        rows = Message.objects.filter(instance=instance, message_id__in=listed[at : at + CHUNK], from_me=True)
        for row in rows.select_related("chat").only("message_id", "status", "wire_chat", "chat__jid", "chat__lid"):
            found[row.message_id].append(row)
    return found
