"""Where the keys of linked devices lie: files of this machine, or PostgreSQL for connectors on several.

Each instance has a store of its own, a file or a schema. The library would keep
several devices in one store, but then resumes the first it finds.
"""

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

from django.conf import settings
from psycopg import sql

from instances.whatsapp import message_secrets, pools, ratchets
from instances.whatsapp.events import Lost
from portal.secrets import read_or_make_secret

# A process or a connection each, while they look for the secret of a message.
_LOOKING = threading.BoundedSemaphore(4)
LOOK_SECONDS = 20.0
HERE = {"127.0.0.1", "localhost", "::1"}


def place() -> str:
    """Names the place; connectors that answer the same can take over from each other."""
    if url := settings.SESSION_DATABASE_URL:
        parts = urlsplit(url)
        known_by = f"{parts.hostname}:{parts.port or 5432}{parts.path}"
    else:
        # Lies with the keys, so that it goes where they go.
        known_by = read_or_make_secret(settings.SESSION_DIR / "place")
    return hashlib.sha256(known_by.encode()).hexdigest()[:32]


def prepare(uid: UUID) -> str:
    """What the library is to open for an instance; it comes into being if need be. Afterwards: `pools.close`."""
    if not settings.SESSION_DATABASE_URL:
        return str(settings.SESSION_DIR / f"{uid.hex}.sqlite3")
    with pools.connect() as connection:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(_schema(uid)))
    parts = urlsplit(settings.SESSION_DATABASE_URL)
    query = dict(parse_qsl(parts.query)) | {"search_path": _name(uid), "application_name": pools.name(uid)}
    # The library's driver insists on TLS unless told otherwise.
    query.setdefault("sslmode", "disable" if parts.hostname in HERE else "require")
    # neonize knows a PostgreSQL store by how its name begins.
    address: str = parts._replace(scheme="postgres", query=urlencode(query)).geturl()
    return address


def forget(uid: UUID) -> None:
    """Delete an instance's keys."""
    if settings.SESSION_DATABASE_URL:
        with pools.connect() as connection:
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(_schema(uid)))
    else:
        for path in settings.SESSION_DIR.glob(f"{uid.hex}.sqlite3*"):
            path.unlink(missing_ok=True)


def forget_ratchets(uid: UUID, lost: Iterable[Lost]) -> None:
    """Make the library unable to decrypt anything more from those devices, so that it asks them to begin anew.

    Only while no client runs on these keys. Raises psycopg's errors and subprocess's.
    """
    pairs = sorted({(one.sender, one.chat) for one in lost})
    if settings.SESSION_DATABASE_URL:
        with pools.connect() as store:
            store.execute(sql.SQL("SET search_path TO {}").format(_schema(uid)))
            for statement, values in ratchets.forgetting(pairs):
                store.execute(statement.replace("?", "%s").encode(), values)
    else:
        command = [sys.executable, "-P", ratchets.__file__, prepare(uid)]
        subprocess.run(command, input=json.dumps(pairs), text=True, check=True, timeout=60)


def secrets_of(uid: UUID, chat: str, author: Iterable[str], message_id: str) -> tuple[list[str], list[bytes]]:
    """All names of a message's author, and the secrets that came with it; a client may run on these keys.

    Raises psycopg's errors, subprocess's, and TimeoutError.
    """
    # What is edited in one group is heard by all instances that are in it.
    if not _LOOKING.acquire(timeout=LOOK_SECONDS):
        raise TimeoutError("too many look for the secrets of messages")
    try:
        return _secrets_of(uid, chat, author, message_id)
    finally:
        _LOOKING.release()


def _secrets_of(uid: UUID, chat: str, author: Iterable[str], message_id: str) -> tuple[list[str], list[bytes]]:
    if settings.SESSION_DATABASE_URL:
        with pools.connect() as store:
            store.execute(sql.SQL("SET search_path TO {}").format(_schema(uid)))
            return message_secrets.find(
                lambda statement, values: store.execute(statement.replace("?", "%s").encode(), values),
                chat, author, message_id,
            )  # fmt: skip
    command = [sys.executable, "-I", "-S", message_secrets.__file__, prepare(uid)]
    told = json.dumps([chat, list(author), message_id])
    # A session of its own: who stops the portal in its terminal must not end the answer.
    done = subprocess.run(
        command, input=told, stdout=subprocess.PIPE, text=True, check=True, timeout=LOOK_SECONDS, start_new_session=True
    )
    names, secrets = json.loads(done.stdout)
    return names, [bytes.fromhex(secret) for secret in secrets]


def _name(uid: UUID) -> str:
    return f"session_{uid.hex}"


def _schema(uid: UUID) -> sql.Identifier:
    return sql.Identifier(_name(uid))
