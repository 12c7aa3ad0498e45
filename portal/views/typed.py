"""What stands in a page's address, as far as a database can take it."""


def key(text: str) -> int | None:
    """The number of a row; None for what is none, or too long for one."""
    return int(text) if text.isdecimal() and len(text) < 19 else None


def words(text: str) -> str:
    """What is looked for. A NUL is stored nowhere, and PostgreSQL refuses to look for it."""
    return text.replace("\0", "").strip()
