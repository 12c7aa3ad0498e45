"""Two rows that turn out to be one message: it came under both names of a person, before they were known to be one.

One row stays, with what is known of both, and what hangs on the other goes over to it.
"""

from django.db.models import QuerySet

from chats import pinbook
from chats.models import BatchItem, Message, RuleHit, Schedule

# What says what a message is; of one that could not be read there is none of it.
_CONTENT = ("kind", "text", "data", "quoted_id", "target_id", "edited_at", "disappears_at", "wire_chat", "wire_sender")


def join(staying: QuerySet[Message], going: QuerySet[Message], same: tuple[str, str]) -> None:
    """Where both hold a message, by the two columns that are the `same`, keep one row of it. In a transaction."""
    there = {(first, second): pk for first, second, pk in staying.values_list(*same, "pk")}
    pairs = [(there.get((first, second)), pk) for first, second, pk in going.values_list(*same, "pk")]
    for stays, goes in pairs:
        if stays is not None:
            _join(Message.objects.get(pk=stays), Message.objects.get(pk=goes))


def _join(stays: Message, goes: Message) -> None:
    if goes.readable > stays.readable:
        for name in _CONTENT:
            setattr(stays, name, getattr(goes, name))
    elif goes.readable:
        if goes.edited_at is not None and (stays.edited_at is None or stays.edited_at < goes.edited_at):
            stays.text, stays.edited_at = goes.text, goes.edited_at
        if goes.data.get("disappears") and goes.disappears_at is None:
            stays.disappears_at = None  # Somebody kept it.
    stays.deleted_at = min(filter(None, (stays.deleted_at, goes.deleted_at)), default=None)
    stays.status = max((one.status for one in (stays, goes) if one.status is not None), default=None)
    stays.sender_name = stays.sender_name or goes.sender_name
    stays.save()
    pinbook.moved(goes, stays)
    Schedule.objects.filter(message=goes).update(message=stays)
    BatchItem.objects.filter(message=goes).update(message=stays)
    # A message is found by rules once.
    if not RuleHit.objects.filter(message=stays).exists():
        RuleHit.objects.filter(message=goes).update(message=stays)
    goes.delete()
