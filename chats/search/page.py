"""What a search answers."""

from dataclasses import dataclass

from chats.models import Message
from chats.search.keys import Cursor


@dataclass(frozen=True, slots=True)
class Hit:
    """A message found; the pieces of `snippet` are (text, whether it is what was looked for)."""

    message: Message
    snippet: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Some hits, newest first. `next`: where to go on; None on the last page."""

    hits: list[Hit]
    next: Cursor | None = None
    # When nothing was found: the query with its misspelling mended, or empty.
    suggestion: str = ""
