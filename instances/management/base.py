"""What our commands on the terminal have in common."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError


class PortalCommand(BaseCommand):
    """A command that speaks in sentences when the database cannot be used."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command."""
        try:
            return super().execute(*args, **options)
        except DatabaseError as error:
            raise CommandError(
                f"The database cannot be used ({str(error).strip()}). Start the portal once (make run), "
                "and give this command the same DATA_DIR or DATABASE_URL."
            ) from error
