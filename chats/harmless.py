"""What strangers wrote, made into what a database and a page can hold, with nothing lost that a phone would show.

WhatsApp's apps stop at 65,536 characters; whoever writes a client of their own
can send 16 MB, characters that are none, numbers that are none, and times at
which no calendar has a day.
"""

import json
import math
import re
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from instances.whatsapp.events import GroupChanged, MessageArrived, Party, PersonKnown, Stored

LONGEST_NAME = 200
LONGEST_ID = 128
# As much as WhatsApp's own apps let anybody write.
LONGEST_TEXT = 65_536
# A group's 10,000 people fit in.
LONGEST_LIST = 20_000
MOST_DATA = 2**20
DEEPEST = 8
# JIDs as the columns hold them; WhatsApp's own have 18 to 40 characters.
LONGEST_JID = 64
# What an integer column holds: 68 years.
LONGEST_SECONDS = 2**31 - 1

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
# The index of the search counts until 2145; every zone's calendar has a day for what is shown before that.
LATEST = datetime(2145, 1, 1, tzinfo=UTC)

# PostgreSQL refuses NUL; halves of surrogate pairs are no characters, and neither database takes them.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Letters and symbols by their category that show nothing.
_BLANK = "\u115f\u1160\u2800\u3164\uffa0"
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")


def event(given: Stored) -> Stored:
    """The same with names of chats and people that can be names."""
    if isinstance(given, MessageArrived):
        chat, sender = _party(given.chat), _party(given.sender)
        same = chat is given.chat and sender is given.sender
        return given if same else replace(given, chat=chat, sender=sender)
    if isinstance(given, GroupChanged):
        actor = given.actor and _party(given.actor)
        return replace(given, jid=jid(given.jid), actor=actor, people=tuple(map(_party, given.people)))
    return replace(given, person=_party(given.person)) if isinstance(given, PersonKnown) else given


def text(given: str, longest: int = LONGEST_TEXT) -> str:
    """Text that can be stored, with the replacement character for what cannot."""
    return _NO_TEXT.sub("\ufffd", given[:longest])


def message_id(given: str) -> str:
    """A message's id as it is stored: its sender's client chose it."""
    return text(given, LONGEST_ID)


@lru_cache(maxsize=4096)
def name(given: str) -> str:
    """What somebody calls themselves or a group: it stands in a line with other words, and may not turn them around.

    Empty when there is nothing to see: then it is shown as no name is.
    """
    made = text(_TURNING.sub("", given), LONGEST_NAME)
    return made if any(_seen(char) for char in made) else ""


def _seen(char: str) -> bool:
    return unicodedata.category(char)[0] not in "CZM" and char not in _BLANK


def jid(given: str) -> str:
    """The name of a chat or person. One that is too long is cut: nobody on WhatsApp has it."""
    return text(given, LONGEST_JID)


def _party(given: Party) -> Party:
    # A person's second name is their phone number or LID; as any other it would make two chats one.
    alt = jid(given.alt) if given.alt.endswith(("@lid", "@s.whatsapp.net")) else ""
    made = Party(jid(given.jid), alt)
    return given if made == given else made


def when(given: datetime) -> datetime:
    """The time, or the nearest there can be."""
    return min(max(given, EARLIEST), LATEST)


def moment(seconds: float) -> datetime:
    """Seconds since 1970 as a time; now, when they are no time at which anybody can have written."""
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < LATEST.timestamp() else datetime.now(UTC)


def duration(seconds: int | None) -> int | None:
    """Seconds, no more than a column holds."""
    return None if seconds is None else min(max(seconds, 0), LONGEST_SECONDS)


def data(given: dict[str, Any]) -> dict[str, Any]:
    """What goes into a JSON column. What is too much in all is left out, and `cut` says so."""
    if all(type(value) is int and name.isidentifier() for name, value in given.items()):
        return given
    made: dict[str, Any] = _value(given, DEEPEST)
    if len(json.dumps(made)) <= MOST_DATA:
        return made
    return {name: value for name, value in made.items() if not isinstance(value, list | dict)} | {"cut": True}


def _value(given: Any, depth: int) -> Any:
    match given:
        case str():
            return text(given)
        case float():
            return given if math.isfinite(given) else None
        case list() | tuple():
            return [_value(one, depth - 1) for one in given[:LONGEST_LIST]] if depth else []
        case dict():
            return {text(str(key)): _value(one, depth - 1) for key, one in given.items()} if depth else {}
    return given
