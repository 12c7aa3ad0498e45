"""A place in a chat: the keyset cursor by which a page goes on reading."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_PK = (1 << 63) - 1
Row = TypeVar("Row", bound=Model)
Shown = TypeVar("Shown")


@dataclass(frozen=True, slots=True)
class Place:
    """Beside the row of this time and primary key. `str` of it goes into a URL."""

    at: datetime
    pk: int

    def __str__(self) -> str:
        return f"{(self.at - EPOCH) // timedelta(microseconds=1)}.{self.pk}"

    @classmethod
    def parse(cls, text: str) -> "Place | None":
        """The place of a URL; None for anything that is none."""
        match = re.fullmatch(r"(-?[0-9]{1,17})\.([0-9]{1,19})", text or "")
        if match is None or int(match[2]) > LAST_PK:
            return None
        try:
            return cls(EPOCH + timedelta(microseconds=int(match[1])), int(match[2]))
        except OverflowError:
            return None

    def older(self, at: str = "sent_at") -> Q:
        """Rows before this place. The first condition alone lets an index end where it should."""
        return Q(**{f"{at}__lte": self.at}) & (Q(**{f"{at}__lt": self.at}) | Q(pk__lt=self.pk))

    def up_to(self, at: str = "sent_at") -> Q:
        """Rows before this place, and the one that stands there."""
        return Q(**{f"{at}__lte": self.at}) & (Q(**{f"{at}__lt": self.at}) | Q(pk__lte=self.pk))

    def newer(self, at: str = "sent_at") -> Q:
        """Rows after this place."""
        return Q(**{f"{at}__gte": self.at}) & (Q(**{f"{at}__gt": self.at}) | Q(pk__gt=self.pk))


def beginning(found: QuerySet[Any, Shown], count: int) -> tuple[list[Shown], bool]:
    """The first rows in their order, and whether there are more."""
    rows = list(found[: count + 1])
    return rows[:count], len(rows) > count


def following(found: QuerySet[Row], count: int, after: int = 0) -> tuple[list[Row], int | None]:
    """Some rows in the order of their keys, and after which one to go on; None when that was all."""
    rows = list(found.filter(pk__gt=after).order_by("pk")[: count + 1])
    return rows[:count], rows[count - 1].pk if len(rows) > count else None
