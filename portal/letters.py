"""Texts compared without regard to case, the same in every database.

SQLite knows the case of ASCII's letters alone: "ângela" is not in "Ângela" there, which PostgreSQL finds.
"""

from typing import Any

from django.db import connection
from django.db.models import F, Func, Q, TextField, Value
from django.db.models.functions import StrIndex
from django.db.models.lookups import Exact, GreaterThan

from portal.sqlite3 import CASEFOLD


class _Casefold(Func):
    function = CASEFOLD
    output_field: Any = TextField()


def holds(column: str, text: str) -> Q:
    """Rows in whose `column` the text stands somewhere."""
    if _is_simple(text):
        return Q(**{f"{column}__icontains": text})
    return Q(GreaterThan(StrIndex(_Casefold(F(column)), Value(text.casefold())), 0))


def is_like(column: str, text: str) -> Q:
    """Rows whose `column` is the text."""
    if _is_simple(text):
        return Q(**{f"{column}__iexact": text})
    return Q(Exact(_Casefold(F(column)), Value(text.casefold())))


def _is_simple(text: str) -> bool:
    """Whether the database does it by itself, which is quicker."""
    return connection.vendor != "sqlite" or text.isascii()
