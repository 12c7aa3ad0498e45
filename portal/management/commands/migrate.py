"""`manage.py migrate`: Django's own, which would make an empty portal where a restore still has to put one."""

from typing import Any

from django.core.management.commands.migrate import Command as Migrate
from django.db import connections

from portal.backups import unfinished
from portal.postgresql.base import DatabaseWrapper


class Command(Migrate):
    """Bring the database up to this version."""

    def handle(self, *args: Any, **options: Any) -> None:
        """As Django does, unless a restore is unfinished."""
        unfinished.refuse()
        ours = [connection for connection in connections.all() if isinstance(connection, DatabaseWrapper)]
        for connection in ours:
            connection.patient = True
        try:
            super().handle(*args, **options)
        finally:
            for connection in ours:
                connection.patient = False
