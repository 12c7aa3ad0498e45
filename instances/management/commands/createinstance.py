"""`manage.py createinstance NAME`: the place of one WhatsApp account."""

import shlex
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from instances import labels, lifecycle
from instances.management.base import PortalCommand
from instances.management.owners import account_named
from instances.models import valid_name
from portal.supervisor.welcome import manage


class Command(PortalCommand):
    """Make an instance, and say what to do next."""

    help = "Makes an instance: the place of one WhatsApp account."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Its name, and whose it is."""
        parser.add_argument("name")
        parser.add_argument("--account", help="the account that owns it; not needed while there is only one")
        parser.add_argument("--labels", default="", help="where it may run: region=eu,proxy=home (docs/scaling.md)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it, or say why not."""
        account = account_named(options["account"])
        try:
            # A form's stray blank is forgiven there; what is typed here is meant.
            valid_name(options["name"])
            instance = lifecycle.create(account, options["name"], labels.normal(options["labels"]))
        except lifecycle.NameTaken:
            raise CommandError(f"Account '{account.name}' has an instance '{options['name']}' already.") from None
        except lifecycle.QuotaExceeded:
            raise CommandError(
                f"Account '{account.name}' may have {account.instance_quota} instances and has them. "
                "Delete one, or raise its quota in the administration."
            ) from None
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        except (lifecycle.CannotMake, labels.InvalidLabels) as error:
            raise CommandError(str(error)) from None
        name = shlex.quote(instance.name) + (f" --account {shlex.quote(account.name)}" if options["account"] else "")
        self.stdout.write(
            f"Instance '{instance.name}' of account '{account.name}' is made.\n"
            f"Next, link your phone to it:   {manage(f'pair {name}')}\n"
            f"and make a token for the API:  {manage(f'createtoken --instance {name}')}"
        )
