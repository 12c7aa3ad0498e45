"""What an index must be able to do. Both keep three tables beside the messages:

- `chats_search`: one document a message, under its key;
- `chats_searchpending`: keys of messages that changed, written by triggers on
  the messages' table, so that no way of writing a message is forgotten;
- `chats_searchword`: every word ever seen, for suggestions and prefixes.
"""

# Statements are put together from this file's own constants; whatever came
# from a person is a parameter.
# ruff: noqa: S608

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

from django.db import connection

from chats.models import Message
from chats.search.documents import Document
from chats.search.keys import ID_BITS, LAST_SECOND, START_SECONDS
from chats.search.plan import Plan
from chats.search.spelling import one_away

# Words of one length either side are looked at for a suggestion.
MAX_NEIGHBOURS = 20_000
# Neither index is quick at the beginning of a word; it is looked for as the words
# themselves, up to so many.
MAX_SPELLED_OUT = 100
ACTIONS = ", ".join(f"'{kind}'" for kind in sorted(map(str, Message.ACTIONS)))
# A change of these changes the document.
WATCHED = ("text", "sent_at", "kind", "deleted_at", "sender", "sender_name", "chat_id", "instance_id", "from_me")


class Backend(ABC):
    """One full-text index, in the same database and the same transactions as the messages."""

    # Statements that make the tables and triggers, and that remove them.
    install: Sequence[str]
    uninstall: Sequence[str]
    # Notes every message there is as changed.
    note_all: str

    @abstractmethod
    def take_pending(self, limit: int) -> list[int]:
        """Remove up to `limit` entries from the list of changes; the key each named, the same more than once too."""

    @abstractmethod
    def stored(self, document: Document) -> str:
        """What `write` puts into the database of a document, as text."""

    @abstractmethod
    def write(self, documents: Sequence[Document]) -> None:
        """Put documents, ordered by key, in the place of what stood under their keys."""

    @abstractmethod
    def remove(self, keys: Iterable[int]) -> None:
        """Take what stands under these keys, if anything, out of the index."""

    @abstractmethod
    def learn(self, words: set[str]) -> None:
        """Add words to the vocabulary."""

    @abstractmethod
    def find(self, plan: Plan, limit: int) -> list[int]:
        """The largest `limit` keys that fulfil the plan, largest first."""

    def tidy(self) -> int:
        """Do now what would make a later search wait; how much that was."""
        return 0

    def beginning(self, start: str, column: str = "word") -> list[str] | None:
        """The words of the vocabulary that begin so (or `column`, an expression of them); None when they are many."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {column} FROM chats_searchword WHERE word >= %s AND word < %s LIMIT %s",
                [start, after(start), MAX_SPELLED_OUT + 1],
            )
            found = [row[0] for row in cursor.fetchall()]
        return found if len(found) <= MAX_SPELLED_OUT else None

    def neighbours(self, word: str) -> list[str]:
        """Words of the vocabulary next to `word`, and of about its length those that begin or end as it does."""
        length = (len(word) - 2, len(word) + 2, MAX_NEIGHBOURS)
        # One by one, as short words often have neither their first nor their last two letters in common: cst, cat.
        near = list(one_away(word))
        parts = [f"SELECT word FROM chats_searchword WHERE word IN ({', '.join(['%s'] * len(near))})"]
        parameters: list[str | int] = [*near]
        for column, start in (("word", word[:2]), ("backwards", word[::-1][:2])):
            parts.append(
                f"SELECT word FROM (SELECT word FROM chats_searchword WHERE {column} >= %s AND {column} < %s"
                f" AND length(word) BETWEEN %s AND %s LIMIT %s) AS by_{column}"
            )
            parameters += [start, after(start), *length]
        with connection.cursor() as cursor:
            cursor.execute(" UNION ".join(parts), parameters)
            return sorted(row[0] for row in cursor.fetchall())


def after(start: str) -> str:
    """The first text, in the order of code points, that is above all texts beginning with `start`."""
    return start + "\U0010ffff"


def key_in_sql(second: str, pk: str) -> str:
    """`keys.key_of` in SQL; `second` is the Unix time, `pk` the primary key."""
    return f"(({second} - {START_SECONDS}) << {ID_BITS}) | {pk}"


def clamp_in_sql(smallest: str, largest: str, second: str) -> str:
    """A Unix time within what a key can hold; the first two are the functions' names."""
    return f"{largest}({smallest}({second}, {START_SECONDS + LAST_SECOND}), {START_SECONDS})"
