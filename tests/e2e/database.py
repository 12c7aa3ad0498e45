"""Looking into the portal's own database from outside, on SQLite and on PostgreSQL."""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg


class PortalDatabase:
    """A database for one portal, and read access to it."""

    def __init__(self, data_dir: Path, url: str) -> None:
        self.url = url
        self._file = data_dir / "portal.sqlite3"

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What a query gives; values stand where `?` is."""
        if self.url:
            with psycopg.connect(self.url, autocommit=True) as connection:
                # A "%" in it is LIKE's, not the driver's.
                asked = query.replace("%", "%%").replace("?", "%s")
                return list(connection.execute(asked.encode(), values).fetchall())
        with contextlib.closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True, timeout=20)) as connection:
            return list(connection.execute(query, values).fetchall())

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """While this lasts, nobody else can write messages (on SQLite: anything)."""
        if self.url:
            with psycopg.connect(self.url) as connection:
                connection.execute("LOCK TABLE chats_message IN ACCESS EXCLUSIVE MODE")
                yield
                connection.rollback()
            return
        with contextlib.closing(sqlite3.connect(self._file, timeout=20, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")

    def one(self, query: str, *values: object) -> Any:
        """The single value of a query, None when there is no row."""
        found = self.rows(query, *values)
        return found[0][0] if found else None


@contextlib.contextmanager
def portal_database(data_dir: Path) -> Iterator[PortalDatabase]:
    """A new database of the kind the suite runs on; dropped at the end."""
    server = os.environ.get("DATABASE_URL", "")
    if not server:
        yield PortalDatabase(data_dir, "")
        return
    name = f"e2e_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    try:
        yield PortalDatabase(data_dir, urlsplit(server)._replace(path=f"/{name}").geturl())
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
