"""`manage.py createaccount NAME`: a company or a team that owns instances."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from instances.management.base import PortalCommand
from instances.models import Account


class Command(PortalCommand):
    """Make an account."""

    help = "Makes an account: a company or a team that owns instances."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Its name."""
        parser.add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it, or say why not."""
        account = Account(name=options["name"].strip())
        if Account.objects.filter(name=account.name).exists():
            raise CommandError(f"There is an account '{account.name}' already.")
        try:
            account.full_clean()
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        account.save()
        self.stdout.write(f"Account '{account.name}' is made.")
