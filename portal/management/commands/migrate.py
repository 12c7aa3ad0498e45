"""`manage.py migrate`: Django's own, which would make an empty portal where a restore still has to put one."""

from typing import Any

from django.core.management.commands.migrate import Command as Migrate

from portal.keeping import unfinished


class Command(Migrate):
    """Bring the database up to this version."""

    def handle(self, *args: Any, **options: Any) -> None:
        """As Django does, unless a restore is unfinished."""
        unfinished.refuse()
        super().handle(*args, **options)
