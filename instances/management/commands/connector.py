"""`manage.py connector`: hold the WhatsApp connections."""

import os
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal import ground, metrics
from portal.backups import unfinished
from portal.broker import broker
from portal.collector import settle


class Command(BaseCommand):
    """Runs until SIGTERM or Ctrl-C; then closes every connection in order.

    Ends by itself, with code 75 (EX_TEMPFAIL), when it is worn: whatever keeps services up starts it anew.
    """

    help = "Hold the WhatsApp connections. `manage.py run` starts this by itself."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the connector on the broker's event loop."""
        unfinished.refuse()
        # Session files hold the keys to somebody's WhatsApp.
        os.umask(0o077)
        from chats.media import trying
        from instances.labels import InvalidLabels
        from instances.whatsapp import memory
        from instances.whatsapp.connector import Connector
        from instances.whatsapp.name_lock import AlreadyRunning

        memory.keep_limit()
        settle()
        made: list[Connector] = []
        metrics.serve(metrics.CONNECTOR, lambda: made[0].missing if made else "it is still starting")

        code = os.EX_OK

        async def run() -> None:
            nonlocal code
            connector = Connector()
            made.append(connector)
            ground.end_when_replaced(*ground.database(), settings.SESSION_DIR)
            for number in (signal.SIGTERM, signal.SIGINT):
                signals[number] = connector.stop
            await connector.run()
            code = os.EX_TEMPFAIL if connector.worn else os.EX_OK

        signals: dict[int, Any] = {}
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _: signals.get(received, lambda: os._exit(0))())
        try:
            broker().run_for_life(run())
        except (AlreadyRunning, InvalidLabels) as error:
            raise CommandError(str(error)) from error
        broker().close()
        # What the library is in the middle of ends with us, and is no fault of the file.
        trying.let_go()
        # Threads of an abandoned QR login never end (see the adapter).
        os._exit(code)
