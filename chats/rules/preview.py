"""What a rule would have pinned: tried on the messages that are stored, and nothing is sent."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from chats.models import Message, Rule
from chats.rules.match import Pattern
from chats.rules.notice import targets_of

# So many days back, and so many messages at most, the newest first.
DAYS = 30
LOOKED_AT = 5_000
SHOWN = 30


@dataclass(frozen=True, slots=True)
class Preview:
    """What was found."""

    # The newest of them, each with its chat.
    messages: list[Any]
    found: int
    looked_at: int
    # The most within one hour of the clock: with the limit, what would be left out.
    busiest_hour: int


def preview(rule: Rule) -> Preview:
    """Try a rule (saved or not) on the past."""
    pattern, since = Pattern.of(rule), timezone.now() - timedelta(days=DAYS)
    past = Message.objects.filter(instance=rule.instance, sent_at__gte=since)
    past = past.filter(chat=rule.chat) if rule.chat_id else past.filter(chat__instance=rule.instance)
    # A reaction's data name the author of what it is about; those of all else are not needed, and may be large.
    reaction = rule.trigger == Rule.Trigger.REACTION
    past = past.filter(kind=Message.Kind.REACTION) if reaction else past.defer("data")
    if rule.trigger == Rule.Trigger.HASHTAG:
        past = past.filter(from_me=True, text__contains="#")
    looked_at = list(past.select_related("chat").order_by("-sent_at", "-pk")[:LOOKED_AT])
    fits = [message for message in looked_at if pattern.fits(message)]
    targets = targets_of(rule.instance, fits)
    meant = list({target.pk: target for one in fits if (target := targets.get(one.pk)) is not None}.values())
    hours = Counter(one.sent_at.replace(minute=0, second=0, microsecond=0) for one in fits)
    return Preview(meant[:SHOWN], len(meant), len(looked_at), max(hours.values(), default=0))
