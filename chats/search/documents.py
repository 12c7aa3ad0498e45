"""What the index holds of one message: its words, and marks for all that can be filtered.

A mark is a token that begins with a character for private use, which `fold`
and `pieces` never let through: nobody can type one. "A common word within one
instance" is thereby two lists that an index walks side by side.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

from chats.models import Contact
from chats.search.keys import key_of
from chats.search.tokens import phone_digits, tokens

# (U+E007 was once of weeks; documents made then still have it. U+E008: `backends.postgres.OVERFULL`.)
INSTANCE, CHAT, SENDER, KIND, MINE, SINGLE = (chr(0xE001 + number) for number in range(6))


@dataclass(frozen=True, slots=True)
class Document:
    """A message as the index sees it: tokens that have a place in the text, and marks."""

    key: int
    instance: int
    words: list[str]
    marks: list[str]


def instance_mark(pk: int) -> str:
    """Of everything in one instance."""
    return f"{INSTANCE}{pk}"


def chat_mark(pk: int) -> str:
    """Of everything in one chat."""
    return f"{CHAT}{pk}"


@lru_cache(maxsize=4096)
def sender_mark(jid: str) -> str:
    """Of everything one person wrote, in any instance."""
    user, _, server = jid.partition("@")
    # The tokenizer of SQLite ends a token at punctuation.
    return SENDER + re.sub(r"[^0-9a-z]", "x", user.lower()) + ("l" if server == "lid" else "")


@lru_cache(maxsize=64)
def kind_mark(kind: str) -> str:
    """Of everything of one type."""
    return KIND + kind.replace("_", "")


def single_mark(char: str) -> str:
    """Of everything with this one character of a script without spaces."""
    return SINGLE + char


def marks_of(chat: int, sender: str, kind: str, from_me: bool) -> list[str]:
    """All but its instance's and those of single characters."""
    marks = [chat_mark(chat), sender_mark(sender), kind_mark(kind)]
    if from_me:
        marks.append(MINE)
    return marks


class Row(NamedTuple):
    """What of a message goes into its document; the fields are Message's."""

    pk: int
    instance_id: int
    chat_id: int
    sender: str
    sender_name: str
    from_me: bool
    sent_at: datetime
    kind: str
    text: str


def documents(rows: Sequence[Row]) -> list[Document]:
    """The documents of messages, in the order of their keys."""
    names = _names(rows)
    made = [_document(row, row.sender_name or names.get((row.instance_id, row.sender), "")) for row in rows]
    return sorted(made, key=attrgetter("key"))


def _document(row: Row, sender_name: str) -> Document:
    words, singles = tokens(row.text)
    name, name_singles = _name_tokens(sender_name)
    key = key_of(row.sent_at, row.pk)
    instance = instance_mark(row.instance_id)
    # A mark between text and name: no phrase reaches from one into the other.
    words.append(instance)
    words += name
    marks = marks_of(row.chat_id, row.sender, row.kind, row.from_me)
    if singles or name_singles:
        marks += map(single_mark, singles | name_singles)
    return Document(key, row.instance_id, words, [*marks, *phone_digits(row.text)])


# A batch has few people and many messages.
_name_tokens = lru_cache(maxsize=4096)(tokens)


def _names(rows: Sequence[Row]) -> dict[tuple[int, str], str]:
    """What the senders are called, for messages that came without it (history does)."""
    nameless = {row.sender for row in rows if not row.sender_name}
    if not nameless:
        return {}
    known = Contact.objects.filter(jid__in=nameless, instance__in={row.instance_id for row in rows})
    found = known.values_list("instance_id", "jid", "push_name", "name")
    return {(instance, jid): push_name or name for instance, jid, push_name, name in found}
