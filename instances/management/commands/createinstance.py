"""`manage.py createinstance NAME`: the place of one WhatsApp account."""

import shlex
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from instances.management.base import PortalCommand
from instances.management.owners import account_named
from instances.models import Instance
from portal.supervisor.welcome import manage


class Command(PortalCommand):
    """Make an instance, and say what to do next."""

    help = "Makes an instance: the place of one WhatsApp account."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Its name, and whose it is."""
        parser.add_argument("name")
        parser.add_argument("--account", help="the account that owns it; not needed while there is only one")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it, or say why not."""
        account = account_named(options["account"])
        instance = Instance(account=account, name=options["name"])
        if account.instances.filter(name=instance.name).exists():
            raise CommandError(f"Account '{account.name}' has an instance '{instance.name}' already.")
        if account.instances.count() >= account.instance_quota:
            raise CommandError(
                f"Account '{account.name}' may have {account.instance_quota} instances and has them. "
                "Delete one, or raise its quota in the administration."
            )
        try:
            instance.full_clean()
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        instance.save()
        name = shlex.quote(instance.name) + (f" --account {shlex.quote(account.name)}" if options["account"] else "")
        self.stdout.write(
            f"Instance '{instance.name}' of account '{account.name}' is made.\n"
            f"Next, link your phone to it:   {manage(f'pair {name}')}\n"
            f"and make a token for the API:  {manage(f'createtoken --instance {name}')}"
        )
