"""Putting a backup into an empty portal."""

import shutil
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from instances.models import Connector, Instance
from instances.whatsapp import keys
from portal.keeping import archive, postgres
from portal.keeping.archive import Unreadable
from portal.keeping.manifest import POSTGRES, Manifest, database_kind, sessions_kind

# What is there before anything was kept: settings make the key, whoever runs something here the lock.
NOTHING = {"secret.key", "run.lock", "static"}
STAGE = ".restore"


class NotEmpty(Exception):
    """There is something already, and it stays; the text is for people."""


def refuse_unless_empty() -> None:
    """Raises NotEmpty or postgres.Failed."""
    found = sorted({path.name for path in settings.DATA_DIR.iterdir()} - NOTHING - {STAGE})
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

    The files wait in a folder of their own until the whole backup has been
    read; the database comes last of all.
    """
    refuse_unless_empty()
    stage = settings.DATA_DIR / STAGE
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(mode=0o700)
    try:
        made = _unpack(source, stage)
        _put_in_place(made, stage)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    call_command("migrate", interactive=False, verbosity=0)
    _settle(made)
    return made


def _unpack(source: BinaryIO, stage: Path) -> Manifest:
    made = None
    for path in archive.extract(source, stage):
        if made is None:
            if path.name != "manifest.json":
                raise Unreadable("This is not a backup of a portal: it has no manifest.")
            made = Manifest.read(path.read_bytes())
            made.check()
            path.unlink()
    if made is None:
        raise Unreadable("This is not a backup of a portal: it is empty.")
    expected = "database.pgdump" if made.database == POSTGRES else "portal.sqlite3"
    if not (stage / expected).exists():
        raise Unreadable(f"This is not a whole backup: {expected} is missing.")
    return made


def _put_in_place(made: Manifest, stage: Path) -> None:
    dumps = {"sessions.pgdump": postgres.sessions, "database.pgdump": postgres.main}
    for name, target in dumps.items():
        if (stage / name).exists():
            postgres.load(target(), stage / name)
            (stage / name).unlink()
    last = stage / "portal.sqlite3"
    for path in sorted(stage.iterdir(), key=lambda path: path == last):
        path.replace(settings.DATA_DIR / path.name)


def _settle(made: Manifest) -> None:
    """Nobody holds anything here yet, and the keys have moved."""
    Connector.objects.all().delete()
    Instance.every.exclude(owner="").update(owner="")
    Instance.every.filter(key_store=made.place).update(key_store=keys.place())
    connection.close()
