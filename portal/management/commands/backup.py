"""`manage.py backup FILE`: all that the portal keeps, in one file, while it runs."""

import os
import sqlite3
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from portal.backups import backup, drafts, postgres, unfinished


class Command(BaseCommand):
    """Write a backup; the file appears whole or not at all."""

    help = "Writes a backup of everything into one file, while the portal runs. Whoever has it has your WhatsApp."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to, and what not."""
        parser.add_argument("file", help="the file to write, which must not be there yet; - writes to standard output")
        parser.add_argument("--no-media", action="store_true", help="leave out the files of messages")
        parser.add_argument("--keys-elsewhere", action="store_true", help="leave out keys of devices that are not here")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it, or say why not."""
        unfinished.refuse()
        os.umask(0o077)
        what = {"media": not options["no_media"], "keys_elsewhere": options["keys_elsewhere"]}
        try:
            if options["file"] == "-":
                if sys.stdout.isatty():
                    raise CommandError("A backup is no text for a terminal: send it to a program or a file.")
                backup.write(sys.stdout.buffer, **what)
                return
            size = self._to_file(Path(options["file"]), what)
        except (backup.NoBackup, OSError, sqlite3.Error, DatabaseError, postgres.Failed) as error:
            raise CommandError(f"No backup was made: {error}") from None
        self.stdout.write(
            f"{options['file']}: {size / 1e6:.1f} MB. It opens the WhatsApp accounts that are linked here: "
            "keep it where nobody else can read it."
        )

    def _to_file(self, path: Path, what: dict[str, bool]) -> int:
        if path.exists():
            raise CommandError(f"{path} is there already, and is not written over.")
        with drafts.file(path) as (draft, out):
            backup.write(out, **what)
            out.flush()
            os.fsync(out.fileno())
            # Unlike a rename it does not replace what has come into being meanwhile.
            os.link(draft, path)
            return path.stat().st_size
