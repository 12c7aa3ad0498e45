"""Pins in numbers: how many were made and what came of them, by day, person and chat."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone

from chats.models import Contact, PinEvent
from chats.numbers import is_jid
from chats.selectors.pins import actor_words
from instances import access
from instances.models import Instance

Kind = PinEvent.Kind
# What came of a wish to pin. `elsewhere`: pinned on a phone or by a contact.
OUTCOMES: dict[str, tuple[Kind, ...]] = {
    "done": (Kind.ACKNOWLEDGED,),
    "elsewhere": (Kind.SEEN,),
    "failed": (Kind.REFUSED, Kind.NOT_SENT, Kind.MISSED),
    "unknown": (Kind.UNCONFIRMED,),
}
OUTCOME_OF = {kind: name for name, kinds in OUTCOMES.items() for kind in kinds}
DAYS = (7, 30, 90)
# So many people and chats; the others are one line.
TOP = 10


@dataclass(slots=True)
class Row:
    """A day, a person or a chat, with how many pins had which outcome."""

    label: Any
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Figures:
    """Of some days up to today."""

    days: list[Row]
    people: list[Row]
    chats: list[Row]
    counts: Counter[str]


def visible_to(user: access.User) -> QuerySet[Any]:
    """The lines of all pins' histories that a person may see."""
    role = access.role_of(user, "pin__message__instance__account", "pin__message__instance")
    return PinEvent.objects.annotate(role=role).filter(role__isnull=False)


def of_instance(instance: Instance) -> QuerySet[Any]:
    """Those of one instance."""
    return PinEvent.objects.filter(pin__message__instance=instance)


def of(lines: QuerySet[Any], days: int) -> Figures:
    """Count; a day is one of the reader's zone."""
    today = timezone.localdate()
    first = today - timedelta(days=days - 1)
    begin = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    lines = lines.filter(at__gte=begin, pinning=True, kind__in=OUTCOME_OF).order_by()
    by_day = {first + timedelta(days=number): Row(first + timedelta(days=number)) for number in range(days)}
    for day, kind, count in lines.annotate(day=TruncDate("at")).values_list("day", "kind").annotate(count=Count("pk")):
        if day in by_day:
            by_day[day].counts[OUTCOME_OF[kind]] += count
    whole: Counter[str] = Counter()
    for row in by_day.values():
        whole.update(row.counts)
    return Figures(list(by_day.values()), _people(lines), _chats(lines), whole)


def _people(lines: QuerySet[Any]) -> list[Row]:
    columns = ("actor", "pin__message__instance", "pin__message__instance__jid", "kind")
    rows = list(lines.values_list(*columns).annotate(count=Count("pk")))
    jids = {actor for actor, *_ in rows if is_jid(actor)}
    known = Contact.objects.filter(jid__in=jids, instance__in={instance for _, instance, *_ in rows})
    names = {(one.instance_id, one.jid): one.called for one in known}
    found: dict[str, Row] = {}
    for actor, instance, own, kind, count in rows:
        words = actor_words(actor, names.get((instance, actor)), own) or "?"
        found.setdefault(words, Row(words)).counts[OUTCOME_OF[kind]] += count
    return _top(found.values())


def _chats(lines: QuerySet[Any]) -> list[Row]:
    columns = ("pin__message__chat", "pin__message__chat__name", "pin__message__chat__jid", "kind")
    found: dict[int, Row] = {}
    for chat, name, jid, kind, count in lines.values_list(*columns).annotate(count=Count("pk")):
        label = name or (f"+{jid.partition('@')[0]}" if jid.endswith("@s.whatsapp.net") else jid)
        found.setdefault(chat, Row(label)).counts[OUTCOME_OF[kind]] += count
    return _top(found.values())


def _top(rows: Any) -> list[Row]:
    ordered = sorted(rows, key=lambda row: (-row.total, str(row.label)))
    if len(ordered) <= TOP:
        return ordered
    others = Row("…")
    for row in ordered[TOP:]:
        others.counts.update(row.counts)
    return [*ordered[:TOP], others]


def as_rows(figures: Figures) -> Iterator[tuple[str, ...]]:
    """For a spreadsheet: what is counted, of whom or which day, and how many by outcome."""
    yield ("by", "name", *OUTCOMES)
    for kind, rows in (("day", figures.days), ("person", figures.people), ("chat", figures.chats)):
        for row in rows:
            label = row.label.isoformat() if isinstance(row.label, date) else str(row.label)
            yield (kind, label, *(str(row.counts[name]) for name in OUTCOMES))
