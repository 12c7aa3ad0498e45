"""What stands in an address or a form, as far as a database can take it."""

from collections.abc import Iterable

# A list that has grown is drawn anew up to here.
ROWS = 300


def key(text: str) -> int | None:
    """The number of a row; None for what is none, or too long for one."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def keys(texts: Iterable[str]) -> list[int]:
    """The numbers of rows among these."""
    return [number for number in map(key, texts) if number is not None]


def rows(text: str, least: int) -> int:
    """How many rows of a list are asked for: as many as are drawn already, a page at least; none asks for thousands."""
    return min(max(key(text) or 0, least), ROWS)


def words(text: str) -> str:
    """What is looked for. A NUL is stored nowhere, and PostgreSQL refuses to look for it."""
    return text.replace("\0", "").strip()
