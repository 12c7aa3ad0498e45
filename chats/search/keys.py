"""One number that orders messages by time, and names the message as well.

    seconds since 2009 (32 bits, good until 2145) | message's primary key (31 bits)

It is the rowid of the full-text index on SQLite and the primary key of the
search table on PostgreSQL: reading an index in its own order is reading by
time, a span of dates is a range of keys, and a message of years ago that
arrives today finds its place in the past. WhatsApp tells time in seconds, so
nothing is lost. 31 bits are good for 2,147,483,647 messages a database.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

# WhatsApp's first year.
START = datetime(2009, 1, 1, tzinfo=UTC)
START_SECONDS = int(START.timestamp())
ID_BITS = 31
ID_MASK = (1 << ID_BITS) - 1
LAST_SECOND = (1 << 32) - 1
SMALLEST = 0
LARGEST = (1 << 63) - 1


def key_of(sent_at: datetime, pk: int) -> int:
    """The key of the message `pk` sent at `sent_at` (aware)."""
    return _second(sent_at) << ID_BITS | (pk & ID_MASK)


def first_key(at: datetime) -> int:
    """The smallest key of the second `at` falls in."""
    return _second(at) << ID_BITS


def pk_of(key: int) -> int:
    """The primary key of the message."""
    return key & ID_MASK


def _second(at: datetime) -> int:
    # What was sent before 2009 counts as 2009's first second.
    since = at - START
    return min(max(since.days * 86_400 + since.seconds, 0), LAST_SECOND)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ends; the next one begins right below. `str` of it goes into a URL."""

    key: int

    def __str__(self) -> str:
        return str(self.key)

    @classmethod
    def parse(cls, text: str) -> "Cursor | None":
        """The cursor of a URL; None for anything that is none."""
        if re.fullmatch(r"[0-9]{1,19}", text) and int(text) <= LARGEST:
            return cls(int(text))
        return None
