"""`manage.py pair NAME`: link a phone from the terminal, by QR code or by pairing code."""

import io
import time
from argparse import ArgumentParser
from typing import Any

import segno
from django.core.management.base import CommandError

from instances.management.base import PortalCommand
from instances.management.owners import instance_named
from instances.models import Instance
from instances.states import CODE_RAN_OUT, State
from instances.whatsapp import service
from instances.whatsapp.errors import NotConnected, WhatsAppError

LOOK_SECONDS = 1.0
# A connector that is starting, or just restarted, needs a moment.
PATIENCE_SECONDS = 10.0


class Command(PortalCommand):
    """Draw QR codes until the phone has scanned one, or show a pairing code."""

    help = "Links a phone to an instance. The portal (make run) must be running."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which instance, and how."""
        parser.add_argument("name", help="the instance")
        parser.add_argument("--account", help="the account that owns it; only needed when several have this name")
        parser.add_argument(
            "--phone", help="show a pairing code for this number, such as +5511999999999, not a QR code"
        )
        parser.add_argument("--timeout", type=float, default=180.0, help="seconds to wait for the phone (180)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Link, or say why not."""
        instance = instance_named(options["name"], options["account"])
        self._limit = time.monotonic() + options["timeout"]
        try:
            link = self._link(instance)
            if link.linked:
                self._say(f"A phone is linked already ({instance.jid}). {link.sentence}")
                return
            if options["phone"]:
                self._show_pairing_code(instance, options["phone"])
            else:
                self._show_qr_codes(instance, link)
        except WhatsAppError as error:
            raise CommandError(_advice(error)) from None
        except KeyboardInterrupt:
            raise CommandError("Given up; nothing is linked.") from None

    def _link(self, instance: Instance) -> service.Link:
        patience = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return service.connect(instance)
            except NotConnected:
                if time.monotonic() > patience:
                    raise
                time.sleep(0.3)

    def _show_pairing_code(self, instance: Instance, phone: str) -> None:
        code = service.pairing_code(instance, phone)
        self._say(
            f"\n    {code}\n\n"
            "On the phone: WhatsApp, Linked devices, Link a device, Link with phone number instead;\n"
            "then type this code. It is good for about two minutes."
        )
        self._await_link(instance)

    def _show_qr_codes(self, instance: Instance, link: service.Link) -> None:
        self._say("On the phone: WhatsApp, Linked devices, Link a device; then point it at this code.")
        shown = ""
        while not link.linked:
            if link.qr and link.qr != shown:
                shown = link.qr
                drawing = io.StringIO()
                segno.make(shown).terminal(drawing, compact=True)
                self._say(drawing.getvalue())
            self._pause()
            instance.refresh_from_db()
            # Without a reason it is another connector that has it by now.
            if instance.state_detail not in ("", CODE_RAN_OUT):
                self._refuse_if_ended(instance)
            link = self._link(instance)
        self._await_link(instance)

    def _await_link(self, instance: Instance) -> None:
        while instance.state != State.CONNECTED:
            self._pause()
            instance.refresh_from_db()
            self._refuse_if_ended(instance)
        self._say(self.style.SUCCESS(f"Linked to {instance.jid.partition('@')[0]}. {instance.sentence}"))

    def _refuse_if_ended(self, instance: Instance) -> None:
        if instance.state == State.UNLINKED:
            raise CommandError(f"Nothing is linked. {instance.sentence}")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        # Into a pipe as well: who waits for the code must see it now.
        self.stdout.flush()

    def _pause(self) -> None:
        if time.monotonic() > self._limit:
            raise CommandError("No phone came in time; nothing is linked. Run the command again for a new code.")
        time.sleep(LOOK_SECONDS)


def _advice(error: WhatsAppError) -> str:
    if isinstance(error, NotConnected):
        return "Nothing holds the connections. Start the portal (make run), and give this command the same DATA_DIR."
    return str(error)
