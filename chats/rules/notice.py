"""Noticing what rules are about, as it is stored: a row for each message found, in the same transaction.

The phone's history comes here never. What the rows are for, the worker does
(`chats.rules.runner`): a batch that comes in must not wait for WhatsApp.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_noop

from chats import news
from chats.events import of_rule
from chats.meant import by_name, meant_by
from chats.models import Message, Rule, RuleHit
from chats.rules.match import Pattern
from instances.events.kinds import Event
from instances.models import Instance
from portal import clock

HOUR = timedelta(hours=1)
LIMIT = gettext_noop("The rule's limit an hour was reached.")
State = RuleHit.State


def notice(instance: Instance, fresh: Sequence[Message]) -> None:
    """Write down which of these messages, just stored, are to be pinned. Call it inside their transaction."""
    if not fresh:
        return
    rules = list(Rule.objects.filter(instance=instance, active=True).order_by("pk"))
    if not rules:
        return
    # Messages bear WhatsApp's time, rules ours: one that begins later than now was made before the clock was set back.
    later = timezone.now() + clock.SLACK
    patterns = [(rule, Pattern.of(rule)) for rule in rules]
    found = [
        (rule, message)
        for message in fresh
        for rule, pattern in patterns
        if rule.since is not None and (message.sent_at >= rule.since or rule.since > later) and pattern.fits(message)
    ]
    if found:
        _write(instance, found)


def _write(instance: Instance, found: list[tuple[Rule, Message]]) -> None:
    now = timezone.now()
    targets = targets_of(instance, [message for _, message in found])
    meant = [(rule, targets.get(message.pk)) for rule, message in found]
    # One row a message, whichever rule: the first one that found it.
    keys = [one.pk for _, one in meant if one is not None]
    known: set[int | None] = set(RuleHit.objects.filter(message__in=keys).values_list("message__pk", flat=True))
    spent: dict[int, int] = {}
    limited: list[Event] = []
    for rule, message in meant:
        if message is None or message.pk in known:
            continue
        known.add(message.pk)
        used = spent.setdefault(rule.pk, used_in_hour(rule, now))
        hit = RuleHit(
            rule=rule, instance=instance, message=message, called=message.message_id, chat_jid=message.chat.jid,
            found_at=now, try_at=now,
        )  # fmt: skip
        if used >= rule.an_hour:
            hit.state, hit.detail, hit.at = State.SKIPPED, LIMIT, now
            limited.append(of_rule(rule, "limit", name_of(rule), hit))
        else:
            spent[rule.pk] = used + 1
        RuleHit.objects.bulk_create([hit], ignore_conflicts=True)
    news.rules_changed(limited)


def name_of(rule: Rule) -> str:
    """The rule, as a pin's history and the events name it."""
    return f"rule '{rule.name}'"


def used_in_hour(rule: Rule, now: datetime) -> int:
    """How many pins the rule has brought about in the last hour, or is about to."""
    return rule.hits.filter(found_at__gt=now - HOUR, found_at__lt=now + HOUR).exclude(state=State.SKIPPED).count()


def targets_of(instance: Instance, messages: list[Message]) -> dict[int, Message]:
    """By the key of what set a rule off: the message to pin. It is itself, but for a reaction."""
    targets = {message.pk: message for message in messages if message.kind != Message.Kind.REACTION}
    reactions = [message for message in messages if message.kind == Message.Kind.REACTION and message.target_id]
    if not reactions:
        return targets
    wanted = Q(message_id__in={one.target_id for one in reactions}, chat__in={one.chat_id for one in reactions})
    stored = Message.objects.filter(wanted, instance=instance).exclude(kind__in=Message.ACTIONS)
    candidates = by_name(stored.select_related("chat").defer("data"))
    for one in reactions:
        if (target := meant_by(one, candidates[(one.chat_id, one.target_id)])) is not None:
            targets[one.pk] = target
    return targets
