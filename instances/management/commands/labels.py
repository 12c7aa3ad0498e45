"""`manage.py labels NAME [LABELS]`: where an instance may run."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from instances import labels, lifecycle
from instances.management.base import PortalCommand
from instances.management.owners import instance_named
from instances.models import Connector


class Command(PortalCommand):
    """Show an instance's labels, or give it others."""

    help = "Shows or changes an instance's labels: only connectors that have all of them hold it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The instance, and what it is to have."""
        parser.add_argument("name")
        parser.add_argument("labels", nargs="?", help="region=eu,proxy=home; '' for none. Without it they are shown")
        parser.add_argument("--account", help="the account that owns it; not needed while the name is clear")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and say whether a connector matches."""
        instance = instance_named(options["name"], options["account"])
        if options["labels"] is not None:
            try:
                instance.labels = labels.normal(options["labels"])
            except labels.InvalidLabels as error:
                raise CommandError(str(error)) from None
            lifecycle.label(instance, instance.labels)
        self.stdout.write(f"Instance '{instance.name}': {instance.labels or 'no labels'}.")
        connectors = Connector.objects.order_by("name")
        able = [row.name for row in connectors if labels.fits(instance.labels, row.labels)]
        self.stdout.write(
            f"Connectors that may hold it: {', '.join(able)}."
            if able
            else "No connector that is running may hold it. Start one with these labels: "
            f"CONNECTOR_LABELS={instance.labels} manage.py connector"
        )
