"""Closing from PostgreSQL's side what the client library keeps open: it has no way to close a client's pool itself.

For each client neonize opens a container of its own (goneonize main.go, getDB),
which whatsmeow could close (`Container.Close`) and neonize never does, not by
`Stop` either: up to two idle sessions (database/sql's default) would stay for
as long as the process lives, more with each reconnection. So every pool has a
name, as PostgreSQL's `application_name`, and the sessions of that name are
ended once the client has stopped. The Go side keeps the dead sockets: file
descriptors, two a stopped client, until the process ends.
"""

import logging
import secrets
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import psycopg
from django.conf import settings

log = logging.getLogger(__name__)

# What the library still writes after its stop may come to its end first: so often is looked, so many seconds apart.
LOOKS, PAUSE = 10, 0.2
END = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE application_name = ANY(%s) AND usename = current_user AND (state = 'idle' OR %s)
"""
LEFT = "SELECT count(*) FROM pg_stat_activity WHERE application_name = ANY(%s) AND usename = current_user"

_waiting: "SimpleQueue[str]" = SimpleQueue()
_start = threading.Lock()
_thread: threading.Thread | None = None


def name(uid: UUID) -> str:
    """Of a new pool; no other has it, whichever process opens it."""
    return f"keys-{uid.hex}-{secrets.token_hex(6)}"


def close(address: str) -> None:
    """End the sessions of a stopped client's pool, soon and on another thread. `address`: what the client was given."""
    global _thread
    if named := dict(parse_qsl(urlsplit(address).query)).get("application_name"):
        _waiting.put(named)
        with _start:
            if _thread is None:
                # A process that ends closes its sockets anyway.
                _thread = threading.Thread(target=_work, name="pools", daemon=True)
                _thread.start()


def _work() -> None:
    while True:
        names = [_waiting.get()]
        with suppress(Empty):
            while True:
                names.append(_waiting.get_nowait())
        try:
            end(names)
        except psycopg.Error as error:
            log.warning("the connections of %d stopped clients' keys may stay open: %s", len(names), error)


def connect() -> "psycopg.Connection[tuple[object, ...]]":
    """A connection of our own to the database of keys. Raises psycopg.Error."""
    limits = settings.DATABASE_LIMITS
    return psycopg.connect(settings.SESSION_DATABASE_URL, autocommit=True, connect_timeout=5, **limits)


def end(names: list[str]) -> None:
    """End all sessions of these pools, those that do something last. Raises psycopg.Error."""
    with connect() as connection:
        for look in range(LOOKS):
            connection.execute(END, [names, look == LOOKS - 1])
            time.sleep(PAUSE)
            row = connection.execute(LEFT, [names]).fetchone()
            # Twice: a pool that lost a session in the middle of something opens another one.
            if look and row is not None and row[0] == 0:
                return
