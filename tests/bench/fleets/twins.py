"""Many linked instances at the cost of one.

Linking takes most of a second each, and five hundred are wanted. So one phone
is linked for real; its twins have the same keys under numbers of their own, in
their store and in what the server knows. Nobody can tell: each account meets
others by its own names alone.
"""

import json
import sqlite3
import subprocess
import sys
from collections import deque
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
from psycopg import sql

from tests.loopback import Account
from tests.loopback.outbox import Outbox
from tests.portal_process import ROOT

FIRST_PHONE = 5_511_980_000_000

# Rows of instances; what the linked one's row says, theirs says as well.
_ENTER = """
import json, sys
from instances.models import Instance
from instances.whatsapp import keys
first = Instance.objects.get(name="shop")
Instance.objects.bulk_create(
    Instance(
        account=first.account, name=name, uid=uid, jid=jid, lid=lid, state="disconnected",
        linked_at=first.linked_at, key_store=keys.place(),
    )
    for name, uid, jid, lid in json.load(sys.stdin)
)
"""


@dataclass(frozen=True)
class Twin:
    """One of the copies: its instance, and its owner's account."""

    name: str
    uid: UUID
    account: Account

    @property
    def jid(self) -> str:
        """Its device's name by phone number, as its store has it."""
        return f"{self.account.phone}:{DEVICE}@s.whatsapp.net"

    @property
    def lid(self) -> str:
        """Its device's other name."""
        return f"{self.account.lid.partition('@')[0]}:{DEVICE}@lid"


# The linked phone's first companion, and so each twin's.
DEVICE = 1


class Twins:
    """Makes twins of an account that has just been linked, before it has met anybody."""

    def __init__(self, original: Account) -> None:
        self._original = original.state.devices[DEVICE]
        self._prekeys = list(self._original.prekeys)
        self._server = original._server
        self._made = 0

    def make(self, count: int) -> list[Twin]:
        """Further accounts on the server; their stores and rows are still to be made."""
        return [self._one() for _ in range(count)]

    def _one(self) -> Twin:
        self._made += 1
        account = self._server.account(f"Twin {self._made}", str(FIRST_PHONE + self._made), phone_listed=False)

        def know() -> None:
            state = account.state
            state.key, state.phone_listed = self._original.account.key, True
            state.simulate_phone()
            state.devices[state.number_device()] = replace(
                self._original, account=state, prekeys=deque(self._prekeys), outbox=Outbox(), connection=None
            )

        self._server.call(know)
        return Twin(f"twin-{self._made}", uuid4(), account)


def enter(environment: dict[str, str], twins: list[Twin]) -> None:
    """Give them rows in the portal's database; connectors take them up from there."""
    rows = [[twin.name, twin.uid.hex, twin.account.jid, twin.account.lid] for twin in twins]
    command = [sys.executable, str(ROOT / "manage.py"), "shell", "--no-imports", "-c", _ENTER]
    subprocess.run(command, env=environment, cwd=ROOT, check=True, input=json.dumps(rows), text=True)


class Files:
    """Stores as files, copied from the first one's."""

    def __init__(self, folder: Path, into: Path | None = None) -> None:
        """`into`: where to put them; else beside the first one's."""
        (found,) = folder.glob("*.sqlite3")
        self._folder = into or folder
        with closing(sqlite3.connect(found)) as source:
            # As bytes: copying five hundred of them is quick.
            self._bytes = source.serialize()

    def make(self, twin: Twin) -> None:
        """Its store, under its own names."""
        path = self._folder / f"{twin.uid.hex}.sqlite3"
        path.touch(mode=0o600)
        path.write_bytes(self._bytes)
        with closing(sqlite3.connect(path)) as store, store:
            # A bench's store need not survive a power cut.
            store.execute("PRAGMA synchronous = OFF")
            store.execute("PRAGMA foreign_keys = ON")
            store.execute("UPDATE whatsmeow_device SET jid = ?, lid = ?", (twin.jid, twin.lid))
            store.execute("DELETE FROM whatsmeow_lid_map")


class Schemas:
    """Stores as schemas of a PostgreSQL database, copied from the first one's."""

    def __init__(self, url: str) -> None:
        self._url = url
        with psycopg.connect(url) as connection:
            (self._schema,) = _names(connection, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'session_%'")
            self._tables = _names(connection, f"SELECT tablename FROM pg_tables WHERE schemaname = '{self._schema}'")

    def make(self, twin: Twin) -> None:
        """Its store, under its own names."""
        schema = f"session_{twin.uid.hex}"
        with psycopg.connect(self._url) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
            for table in self._tables:
                here, there = sql.Identifier(schema, table), sql.Identifier(self._schema, table)
                connection.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(here, there))
                if table == "whatsmeow_lid_map":
                    continue
                connection.execute(sql.SQL("INSERT INTO {} SELECT * FROM {}").format(here, there))
                attributes = f"SELECT attname FROM pg_attribute WHERE attrelid = '{schema}.{table}'::regclass"
                columns = _names(connection, attributes)
                for column in {"jid", "our_jid", "lid"} & set(columns):
                    change = sql.SQL("UPDATE {} SET {} = %s").format(here, sql.Identifier(column))
                    connection.execute(change, [twin.lid if column == "lid" else twin.jid])


def _names(connection: "psycopg.Connection[tuple[object, ...]]", query: str) -> list[str]:
    return [str(row[0]) for row in connection.execute(query.encode())]
