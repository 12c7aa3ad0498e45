"""`manage.py createtoken`: a token for the REST API, shown once."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from instances import tokens
from instances.management.base import PortalCommand
from instances.management.owners import account_named, instance_named
from instances.models import Token

LONGEST_LABEL = Token._meta.get_field("label").max_length or 0
MOST_DAYS = 36500


class Command(PortalCommand):
    """Make a token and print it; nothing can print it again."""

    help = "Makes a token for the REST API and prints it, this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What it opens, what it is for, how long it lasts."""
        parser.add_argument("--account", help="the account it opens; not needed while there is only one")
        parser.add_argument("--instance", help="open this instance alone, not the whole account")
        parser.add_argument("--label", default="", help="what it is for, to recognise it by")
        parser.add_argument("--scope", choices=Token.Scope.values, default="full", help="what it may do (full)")
        parser.add_argument("--expires-in-days", type=int, metavar="N", help="without it the token does not expire")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it, or say why not."""
        if len(options["label"]) > LONGEST_LABEL:
            raise CommandError(f"The label has more than {LONGEST_LABEL} characters.")
        expires_at = None
        if (days := options["expires_in_days"]) is not None:
            if not 0 < days <= MOST_DAYS:
                raise CommandError(f"--expires-in-days must be a number from 1 to {MOST_DAYS}.")
            expires_at = timezone.now() + timedelta(days=days)
        instance = instance_named(options["instance"], options["account"]) if options["instance"] else None
        account = instance.account if instance else account_named(options["account"])
        _, secret = tokens.issue(
            account, instance=instance, label=options["label"], expires_at=expires_at, scope=options["scope"]
        )
        opens = f"instance '{instance.name}'" if instance else f"account '{account.name}' and all its instances"
        only = {Token.Scope.PIN: ", to pin only", Token.Scope.READ: ", to read only"}.get(options["scope"], "")
        until = f", until {expires_at:%Y-%m-%d %H:%M} UTC" if expires_at else ""
        # The token alone on stdout, so that a script can take it from there.
        self.stderr.write(f"This token opens {opens}{only}{until}. It is shown this once; keep it like a password.")
        self.stdout.write(secret)
