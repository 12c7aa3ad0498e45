"""Making a backup, while the portal runs or not."""

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from instances.models import Instance
from portal.backups import drafts, postgres, sqlite
from portal.backups.archive import Writer
from portal.backups.manifest import POSTGRES, Manifest, database_kind

SESSION_SCHEMAS = "session_*"


class NoBackup(Exception):
    """Why none is made; the text is for people."""


def write(out: BinaryIO, *, media: bool = True, keys_elsewhere: bool = False) -> None:
    """Write everything into `out`. Raises NoBackup, OSError, postgres.Failed or sqlite3.Error.

    The database is as of one moment, and each device's keys as of a moment
    after it: an instance that is linked meanwhile has keys too many, never a
    link without keys.
    """
    made = _manifest()
    if not keys_elsewhere:
        _all_keys_are_here(made.place)
    writer = Writer(out)
    writer.add_bytes("manifest.json", made.write())
    with suppress(FileNotFoundError):
        writer.add_file("secret.key", settings.DATA_DIR / "secret.key")
    # Before the database: what is taken in meanwhile is in both then, not in neither.
    _waiting(writer)
    # Beside the data: as large as the database for a moment, and nowhere that others may look into.
    with drafts.folder(settings.DATA_DIR) as folder:
        draft = folder / "draft"
        if made.database == POSTGRES:
            _dump(writer, "database.pgdump", postgres.main(), draft)
        else:
            _copy(writer, "portal.sqlite3", settings.DATA_DIR / "portal.sqlite3", draft)
        if made.sessions != POSTGRES:
            _sessions(writer, draft)
        elif not made.one_database and any(
            name.startswith("session_") for name in postgres.tables(postgres.sessions())
        ):
            _dump(writer, "sessions.pgdump", postgres.sessions(), draft, SESSION_SCHEMAS)
    if media:
        _media(writer)
    writer.close()


def _manifest() -> Manifest:
    file = settings.DATA_DIR / "portal.sqlite3"
    made = Manifest.of_this_portal() if database_kind() == POSTGRES or file.exists() else None
    if made is None or not made.migrations:
        raise NoBackup(f"There is no portal in {settings.DATA_DIR}. Name its data folder with DATA_DIR.")
    return made


def _all_keys_are_here(place: str) -> None:
    away = Instance.every.exclude(jid="").exclude(key_store__in=("", place)).count()
    if away:
        raise NoBackup(
            f"the keys of {away} linked instances are not where this command looks. After a restore each of their "
            "phones would have to be linked anew. Give it the SESSION_DATABASE_URL, spelled as their "
            "connectors have it, or their DATA_DIR; or leave those keys out with --keys-elsewhere."
        )


def _dump(writer: Writer, name: str, database: postgres.Target, draft: Path, schemas: str = "") -> None:
    postgres.dump(database, draft, schemas=schemas)
    writer.add_file(name, draft)
    draft.unlink()


def _copy(writer: Writer, name: str, path: Path, draft: Path) -> None:
    sqlite.copy(path, draft)
    writer.add_file(name, draft)
    draft.unlink()


def _sessions(writer: Writer, draft: Path) -> None:
    for path in sorted(settings.SESSION_DIR.glob("*")):
        if path.suffix == ".sqlite3":
            try:
                _copy(writer, f"sessions/{path.name}", path, draft)
            except sqlite3.OperationalError:
                if path.exists():
                    raise
                draft.unlink(missing_ok=True)  # Unlinked this very moment.
        elif path.name == "place":
            writer.add_file("sessions/place", path)


def _waiting(writer: Writer) -> None:
    """What WhatsApp gave, once, and is not stored yet. A file that is being written is read in one go."""
    for pattern in ("history/*/*.history", "history/*/*.damaged", "journal/*.journal", "journal/refused"):
        for path in sorted(settings.DATA_DIR.glob(pattern)):
            with suppress(FileNotFoundError):
                writer.add_bytes(str(path.relative_to(settings.DATA_DIR)), path.read_bytes())


def _media(writer: Writer) -> None:
    for path in sorted(settings.MEDIA_DIR.glob("[0-9]*/[0-9]*-*")):
        # The cache may drop any of them meanwhile.
        with suppress(FileNotFoundError):
            writer.add_file(f"media/{path.parent.name}/{path.name}", path)
