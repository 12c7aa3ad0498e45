"""For how many days an instance keeps its messages: what may be set, and what that would delete.

`chats.search.retention` deletes what is older. Nobody brings it back: so whoever
sets a limit hears first how many messages that are there now would go.
"""

from chats.search.retention import COUNTED, count_older
from instances.models import MOST_KEEP_DAYS, Instance

__all__ = ["COUNTED", "MOST_KEEP_DAYS", "days_in", "in_words", "would_delete"]


def days_in(text: str) -> int | None:
    """The days that somebody typed; None for nothing, which is for ever. Raises ValueError for what is no limit."""
    text = text.strip()
    if not text:
        return None
    # int() minds thousands of digits, and takes those of other scripts.
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= MOST_KEEP_DAYS):
        raise ValueError
    return int(text)


def would_delete(instance: Instance, days: int | None) -> int:
    """How many messages that are there now such a limit would delete; COUNTED + 1 for more than COUNTED.

    0 where it keeps no less than the present one does: what that one deletes is going anyway.
    """
    if days is None or 1 <= (instance.keep_days or 0) <= days:
        return 0
    return count_older(instance, days)


def in_words(days: int | None) -> str:
    """For the audit."""
    return "for ever" if days is None else f"{days} days"
