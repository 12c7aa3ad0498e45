"""How far a chat has been read in the portal."""

from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from chats.models import Chat
from instances.whatsapp import service

READ = "read"
# So far a clock may be ahead, theirs or ours.
AHEAD = timedelta(days=1)


def mark_read(chat: Chat, upto: datetime | None) -> None:
    """Everything up to then has been seen; never moves backwards. Tells the other pages."""
    if upto is not None:
        # A message from a clock gone wrong must not make everything until then count as read.
        upto = min(upto, timezone.now() + AHEAD)
    if upto is None or (chat.read_at is not None and chat.read_at >= upto):
        return
    behind = Q(read_at__isnull=True) | Q(read_at__lt=upto)
    if Chat.objects.filter(behind, pk=chat.pk).update(read_at=upto):
        chat.read_at = upto
        service.publish(chat.instance.uid, READ, {"chat": chat.pk})
