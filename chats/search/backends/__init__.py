"""The two indexes behind one interface; which one it is, the database decides."""

from functools import cache

from django.db import connection

from chats.search.backends.base import Backend
from chats.search.backends.postgres import PostgresBackend
from chats.search.backends.sqlite import SqliteBackend

BACKENDS: dict[str, type[Backend]] = {"sqlite": SqliteBackend, "postgresql": PostgresBackend}


def backend() -> Backend:
    """The index of the default database."""
    return _made(connection.vendor)


@cache
def _made(vendor: str) -> Backend:
    return BACKENDS[vendor]()
