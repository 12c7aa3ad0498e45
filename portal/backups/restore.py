"""Putting a backup into an empty portal.

A restore may be killed at any moment. Until the whole backup has been read
nothing is in place. From then on `unfinished.MARK` says so, and a restore of
the same backup does it all once more: files replace those that came before, a
database that is there is whole (it came in one transaction) and stays.
"""

import shutil
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core.management import call_command
from django.core.management.commands.migrate import Command as Migrate
from django.db import connection

from instances.models import Connector, Instance
from instances.whatsapp import keys
from portal.backups import archive, postgres, unfinished
from portal.backups.archive import Unreadable
from portal.backups.manifest import POSTGRES, Manifest, database_kind, sessions_kind

# What is there before anything was kept: settings make the key, whoever runs something here the lock.
NOTHING = {"secret.key", "run.lock", "static"}
DUMPS = {"sessions.pgdump", "database.pgdump"}
SQLITE_FILE = "portal.sqlite3"


class NotEmpty(Exception):
    """There is something already, and it stays; the text is for people."""


def refuse_unless_empty() -> None:
    """Raises NotEmpty or postgres.Failed."""
    found = sorted({path.name for path in settings.DATA_DIR.iterdir()} - NOTHING - {unfinished.STAGE})
    if found:
        raise NotEmpty(
            f"{settings.DATA_DIR} holds a portal already ({', '.join(found[:4])}), and nothing is written over. "
            "Name an empty folder with DATA_DIR."
        )
    # Setting → the tables that would be in the way.
    there: dict[str, list[str]] = {}
    if database_kind() == POSTGRES:
        there["DATABASE_URL"] = postgres.tables(postgres.main())
    if sessions_kind() == POSTGRES:
        there["SESSION_DATABASE_URL"] = postgres.session_tables()
    for setting, names in there.items():
        if names:
            raise NotEmpty(
                f"The database of {setting} holds {len(names)} tables already ({names[0]}), and nothing is written "
                "over. Make a new, empty database and name that."
            )


def read(source: BinaryIO) -> Manifest:
    """Restore; returns what the backup says of itself. Raises NotEmpty, Unreadable, postgres.Failed or OSError.

    After an error nothing has been restored, or `unfinished.mark()` is there.
    """
    begun = Manifest.read(unfinished.mark().read_bytes()) if unfinished.mark().exists() else None
    if begun is None:
        refuse_unless_empty()
    stage = unfinished.stage()
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(mode=0o700)
    try:
        made = _unpack(source, stage, begun)
        (stage / "manifest.json").replace(unfinished.mark())
        _put_in_place(stage)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    # Not our own, which refuses until this is over.
    call_command(Migrate(), interactive=False, verbosity=0)
    _settle(made)
    unfinished.mark().unlink()
    return made


def _unpack(source: BinaryIO, stage: Path, begun: Manifest | None) -> Manifest:
    made = None
    for path in archive.extract(source, stage):
        if made is None:
            if path.name != "manifest.json":
                raise Unreadable("This is not a backup of a portal: it has no manifest.")
            made = Manifest.read(path.read_bytes())
            made.check()
            if begun is not None and made != begun:
                raise NotEmpty(f"The restore that was begun here is of another backup, made at {begun.made_at}.")
    if made is None:
        raise Unreadable("This is not a backup of a portal: it is empty.")
    expected = "database.pgdump" if made.database == POSTGRES else SQLITE_FILE
    if not (stage / expected).exists():
        raise Unreadable(f"This is not a whole backup: {expected} is missing.")
    return made


def _put_in_place(stage: Path) -> None:
    """The database comes last: what has one has its keys, its secret and all that waits to be stored."""
    files = {path.name for path in stage.iterdir()} - DUMPS
    for name in sorted(files, key=lambda name: name == SQLITE_FILE):
        _move(stage / name, settings.DATA_DIR / name)
    # The portal may keep both in one database: the keys' tables do not tell that the other dump is there.
    if (stage / "sessions.pgdump").exists() and not postgres.session_tables():
        postgres.load(postgres.sessions(), stage / "sessions.pgdump")
    if (stage / "database.pgdump").exists() and not postgres.portal_tables():
        postgres.load(postgres.main(), stage / "database.pgdump")


def _move(path: Path, target: Path) -> None:
    """Over what a restore that was killed put there, and what SQLite wrote beside it when the kill came later."""
    if target.is_dir():
        shutil.rmtree(target)
    for beside in ("-wal", "-shm", "-journal"):
        target.with_name(target.name + beside).unlink(missing_ok=True)
    path.replace(target)


def _settle(made: Manifest) -> None:
    """Nobody holds anything here yet, and the keys have moved."""
    Connector.objects.all().delete()
    Instance.every.exclude(owner="").update(owner="")
    Instance.every.filter(key_store=made.place).update(key_store=keys.place())
    connection.close()
