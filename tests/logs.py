"""No log holds a secret or what people write to each other: looked for in every log that the suite produces."""

import contextlib
import json
import logging
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

TOKEN = re.compile(r"(?:wap_|whsec_)[\w-]{40,}|(?<=token\.)[\w-]{40,}")
# Shorter texts stand in logs by chance.
TELLING = 12


def leaks(log: str, secrets: Iterable[str] = ()) -> list[str]:
    """The lines of a log that hold a token or one of these."""
    wanted = {way for secret in secrets if len(secret) >= TELLING for way in _ways_to_write(secret)}
    return [line for line in log.splitlines() if TOKEN.search(line) or any(secret in line for secret in wanted)]


def _ways_to_write(text: str) -> Iterator[str]:
    """As it is, as Python shows it, and within JSON."""
    yield text
    yield repr(text)[1:-1]
    yield json.dumps(text)[1:-1]


def secrets_of(data_dir: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """What a portal knows and must not say: its keys and passwords, and every message it stored."""
    for name in ("secret.key", "nats/url", "sessions/place"):
        with contextlib.suppress(FileNotFoundError):
            text = (data_dir / name).read_text().strip()
            yield urlsplit(text).username or text
    for name in ("DATABASE_URL", "NATS_URL", "CACHE_URL", "SESSION_DATABASE_URL"):
        parts = urlsplit(environment.get(name, ""))
        yield from (part for part in (parts.password, parts.username) if part)
    yield environment.get("SECRET_KEY", "")
    # One line of each is enough to see.
    yield from (text.splitlines()[0] for text in _texts(data_dir, environment) if text.strip())


def _texts(data_dir: Path, environment: Mapping[str, str]) -> Iterator[str]:
    columns = "SELECT text FROM chats_message UNION SELECT proxy_password FROM instances_instance"
    with contextlib.suppress(sqlite3.Error, psycopg.Error):
        if url := environment.get("DATABASE_URL"):
            with psycopg.connect(url) as connection:
                yield from (row[0] for row in connection.execute(columns.encode()).fetchall())
        else:
            file = f"file:{data_dir / 'portal.sqlite3'}?mode=ro"
            with contextlib.closing(sqlite3.connect(file, uri=True)) as connection:
                yield from (row[0] for row in connection.execute(columns).fetchall())


def tells_no_secret(log: str, data_dir: Path, environment: Mapping[str, str]) -> None:
    """Nothing that this portal knows stands in a log of its."""
    found = leaks(log, secrets_of(data_dir, environment))
    assert not found, f"its log tells what it must not: {found[:5]}"


class Watch(logging.Handler):
    """Hears what the tests' own process logs, and keeps what it must not say."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one line, its traceback included."""
        self.found += leaks(self.format(record))
