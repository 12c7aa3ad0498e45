"""`manage.py restore FILE`: a portal out of a backup, in an empty data folder."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from portal.backups import postgres, restore, unfinished
from portal.backups.archive import Unreadable
from portal.backups.manifest import key_print
from portal.supervisor import folder


class Command(BaseCommand):
    """Restore; what is there already stays, and is a reason to refuse."""

    help = "Puts a backup into an empty data folder (and an empty database). Start the portal afterwards."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """From where."""
        parser.add_argument("file", help="a file that `backup` wrote; - reads from standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, or say why not."""
        os.umask(0o077)
        folder.prepare(settings.DATA_DIR)
        try:
            folder.lock(settings.DATA_DIR / "run.lock")
        except folder.InUse as error:
            raise CommandError(
                f"A portal runs on {settings.DATA_DIR} (process {error.holder}). Stop it first."
            ) from None
        try:
            with sys.stdin.buffer if options["file"] == "-" else open(options["file"], "rb") as source:
                made = restore.read(source)
        except (OSError, DatabaseError, Unreadable, restore.NotEmpty, postgres.Failed) as error:
            if unfinished.mark().exists():
                raise CommandError(
                    f"The restore is not finished: {error}\n"
                    "Nothing starts here until it is. Mend that, and restore the same backup again."
                ) from None
            raise CommandError(f"Nothing was restored: {error}") from None
        self.stdout.write(
            f"Restored what was there at {made.made_at}. Before you start it, make sure that the portal which this was "
            "a copy of does not run any more: two of them would throw each other off WhatsApp."
        )
        if made.key_print != key_print():
            self.stderr.write(
                "SECRET_KEY is another one than that portal's: until it is set to the same, no token opens anything "
                "and everybody has to sign in again."
            )
