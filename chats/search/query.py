"""What a person typed, understood: words, phrases and filters. Any text at all is a query.

A filter that makes no sense (`before:lunch`, `type:dream`) is no error but
two words to look for; somebody may have written just that.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from django.utils import timezone

from chats.models import Message

# More is no search but an accident with the clipboard.
MAX_TEXT = 1_000
MAX_PARTS = 32

TYPES = frozenset(str(kind) for kind in Message.Kind) - {str(kind) for kind in Message.ACTIONS}
FLAGS = frozenset({("is", "pinned"), ("is", "mine"), ("has", "media")})
NAMES = ("in", "from", "instance", "type", "before", "after", "on", "is", "has")
DATES = frozenset({"before", "after", "on"})

# One that is written without a blank ends at the first one: what follows is another word.
_PHONE = re.compile(r"\+\d{10,15}(?=\s|\Z)|\+\d(?:[ \u00a0().-]{0,2}\d){6,14}(?!\w)")
_PART = re.compile(
    rf"""
    (?P<minus>-*+)
    (?:
        (?:(?P<name>{"|".join(NAMES)}):)
        (?: "(?P<quoted_value>[^"]*)"? | (?P<value>[^\s"]+) )
      | "(?P<phrase>[^"]*)"?
      | (?P<word>[^\s"]+)
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Term:
    """Something to find in the text: a word, a phrase, or (`prefix`) how a word begins."""

    text: str
    phrase: bool = False
    prefix: bool = False
    excluded: bool = False

    def __str__(self) -> str:
        body = f'"{self.text}"' if self.phrase else self.text + "*" * self.prefix
        return "-" * self.excluded + body


@dataclass(frozen=True, slots=True)
class Filter:
    """A property to have (or not to have, `excluded`): `name` is one of NAMES."""

    name: str
    value: str
    excluded: bool = False

    def __str__(self) -> str:
        bare = self.value and not re.search(r'[\s"]', self.value)
        return "-" * self.excluded + f"{self.name}:" + (self.value if bare else f'"{self.value}"')


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. `str(query)` is text that parses to the same again."""

    terms: tuple[Term, ...] = ()
    filters: tuple[Filter, ...] = field(default=())

    def __str__(self) -> str:
        return " ".join(map(str, (*self.terms, *self.filters)))

    def __bool__(self) -> bool:
        return bool(self.terms or self.filters)

    def values(self, name: str, *, excluded: bool = False) -> list[str]:
        """The values of one filter, in the order they were typed."""
        return [entry.value for entry in self.filters if entry.name == name and entry.excluded == excluded]

    def without(self, part: Term | Filter) -> "Query":
        """The same query less one part: what a chip's cross leads to."""
        return Query(
            tuple(term for term in self.terms if term != part),
            tuple(entry for entry in self.filters if entry != part),
        )

    def with_term(self, old: Term, new: Term) -> "Query":
        """The same query with one term in another's place."""
        return Query(tuple(new if term == old else term for term in self.terms), self.filters)


def parse(text: str) -> Query:
    """Understand `text`. Never raises."""
    text = text.replace("\x00", " ")[:MAX_TEXT]
    parts: list[Term | Filter] = []
    at = 0
    while len(parts) < MAX_PARTS:
        while at < len(text) and text[at].isspace():
            at += 1
        if at >= len(text):
            break
        phone = _PHONE.match(text, at)
        match = phone or _PART.match(text, at)
        if match is None:  # A lone minus before the end or before a blank.
            at += 1
            continue
        at = match.end()
        part = Term("+" + re.sub(r"\D", "", phone.group())) if phone else _part(match)
        if part is not None and part not in parts:
            parts.append(part)
    return Query(
        tuple(part for part in parts if isinstance(part, Term)),
        tuple(part for part in parts if isinstance(part, Filter)),
    )


def _part(match: re.Match[str]) -> Term | Filter | None:
    excluded = bool(match["minus"])
    if match["name"] is not None:
        value = match["quoted_value"] if match["value"] is None else match["value"]
        return _filter(match["name"].lower(), " ".join(value.split()), excluded)
    if match["phrase"] is not None:
        phrase = " ".join(match["phrase"].split())
        return Term(phrase, phrase=True, excluded=excluded) if phrase else None
    return _word(match["word"], excluded)


def _word(word: str, excluded: bool) -> Term | None:
    text = word.rstrip("*")
    if not text:
        return None
    return Term(text, prefix=word.endswith("*"), excluded=excluded)


def _filter(name: str, value: str, excluded: bool) -> Term | Filter | None:
    if not value:
        return None
    if name == "type" and value.lower() in TYPES:
        return Filter(name, value.lower(), excluded)
    if (name, value.lower()) in FLAGS:
        return Filter(name, value.lower(), excluded)
    if name in ("in", "from", "instance"):
        return Filter(name, value, excluded)
    if name in DATES and not excluded and days(value) is not None:
        return Filter(name, value.lower())
    return Term(f"{name} {value}", phrase=True, excluded=excluded)


def days(value: str) -> tuple[date, date] | None:
    """The first day a date means and the day after its last: 2024, 2024-02, 2024-02-03, 3.2.2024, today, yesterday."""
    today = timezone.localdate()
    words = {"today": today, "yesterday": today - timedelta(days=1)}
    try:
        if value.lower() in words:
            day = words[value.lower()]
            return day, day + timedelta(days=1)
        if match := re.fullmatch(r"([0-9]{4})(?:-([0-9]{1,2}))?(?:-([0-9]{1,2}))?", value):
            year, month, day_ = (int(number) if number else 0 for number in match.groups())
            return _span(year, month, day_)
        if match := re.fullmatch(r"([0-9]{1,2})[./]([0-9]{1,2})[./]([0-9]{4})", value):
            return _span(int(match[3]), int(match[2]), int(match[1]))
    except (ValueError, OverflowError):
        pass  # The 30th of February, the year 0.
    return None


def _span(year: int, month: int, day: int) -> tuple[date, date]:
    first = date(year, month or 1, day or 1)
    if day:
        return first, first + timedelta(days=1)
    if month:
        return first, date(year + month // 12, month % 12 + 1, 1)
    return first, date(year + 1, 1, 1)


def between(query: Query) -> tuple[datetime | None, datetime | None]:
    """The time span the date filters leave: from (inclusive), until (exclusive)."""
    since: list[datetime] = []
    until: list[datetime] = []
    for name in DATES:
        for first, end in filter(None, map(days, query.values(name))):
            if name == "before":
                until.append(_start(first))
            elif name == "after":
                since.append(_start(end))
            else:
                since.append(_start(first))
                until.append(_start(end))
    return _last(since), min(until, default=None)


def _last(times: Iterable[datetime]) -> datetime | None:
    return max(times, default=None)


def _start(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
