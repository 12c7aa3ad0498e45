"""`manage.py rotatetoken START`: a successor for a token, shown once; the old one is good for some hours more."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError

from instances import tokens
from instances.management.base import PortalCommand
from instances.models import Token

MOST_HOURS = 24 * 365


class Command(PortalCommand):
    """Make the successor and print it; nothing can print it again."""

    help = "Makes a successor of a token and prints it, this once. The old one is good for some hours more."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which token, and for how long both are good."""
        parser.add_argument("start", help="the token's visible start, as the administration shows it, or its label")
        parser.add_argument("--overlap-hours", type=int, default=24, metavar="N", help="0: the old one ends now (24)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it, or say why not."""
        hours = options["overlap_hours"]
        if not 0 <= hours <= MOST_HOURS:
            raise CommandError(f"--overlap-hours must be a number from 0 to {MOST_HOURS}.")
        token = _named(options["start"])
        try:
            successor, secret = tokens.rotate(token, timedelta(hours=hours))
        except (tokens.RotatedAlready, tokens.Revoked) as error:
            raise CommandError(f"{error}.") from None
        self.stderr.write(
            f"The old token ends at {token.expires_at:%Y-%m-%d %H:%M} UTC. "
            f"Its successor ({successor.prefix}…) is shown this once; keep it like a password."
        )
        self.stdout.write(secret)


def _named(start: str) -> Token:
    usable = [token for token in Token.objects.filter(revoked_at=None).select_related("account") if token.usable]
    found = [token for token in usable if token.prefix == start.rstrip("…") or token.label == start]
    # Of a chain the newest is meant: the others have been rotated.
    found = [token for token in found if token.successor_id is None] or found
    if not found:
        raise CommandError(f"There is no usable token '{start}'. The administration lists them.")
    if len(found) > 1:
        raise CommandError(f"Several tokens are called '{start}': name one by its visible start.")
    return found[0]
