"""Copies of SQLite files that are in use."""

import contextlib
import sqlite3
from pathlib import Path

BUSY_SECONDS = 60.0


def copy(source: Path, target: Path) -> None:
    """Write `source` as of one moment into `target`, with what stands in its log, while others go on writing.

    Raises sqlite3.Error.
    """
    address = f"{source.absolute().as_uri()}?mode=ro"
    with (
        contextlib.closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS)) as there,
        contextlib.closing(sqlite3.connect(target)) as here,
    ):
        target.chmod(0o600)
        # All pages in one step: between several, each write of another process would start it over.
        there.backup(here)
        # One file, also where its writer had a log beside it.
        here.execute("PRAGMA journal_mode=DELETE")
