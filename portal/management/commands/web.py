"""`manage.py web`: one web process."""

import os
import socket
from types import FrameType
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal import ground, metrics
from portal.backups import unfinished
from portal.listening import files, listen
from portal.live import hub
from portal.patience import Patient
from portal.supervisor import folder

KEEP_ALIVE_SECONDS = 65  # longer than the usual proxy in front keeps an idle connection
PING_SECONDS = 20.0
STOP_SECONDS = 8  # within what `manage.py run` allows before it kills


class Server(uvicorn.Server):
    """uvicorn, which waits for answers under way; a stream of news is one that never ends by itself."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End the streams too."""
        hub.close()
        super().handle_exit(sig, frame)


class Command(BaseCommand):
    """Serve pages and the REST API until SIGTERM."""

    help = "Runs one web process at HOST and PORT. `manage.py run` starts it for you."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve."""
        unfinished.refuse()
        if not settings.CACHE_URL:
            self._be_the_only_one()
        ground.end_when_replaced(*ground.database())
        metrics.serve(metrics.web_offset(settings.PROCESS_NAME))
        given = os.environ.get("LISTEN_FD")
        listener = socket.socket(fileno=int(given)) if given else listen()
        Patient.most = files() // 2
        config = uvicorn.Config(
            "portal.asgi:application",
            http=Patient,
            lifespan="off",
            # Django's logging stands; a line for each request is a proxy's trade.
            log_config=None,
            access_log=False,
            server_header=False,
            # Which proxies to believe is TRUSTED_PROXIES, decided in one place.
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            # A client says next to nothing, and must answer pings.
            ws_max_size=64 * 1024,
            # Two windows of zlib for each client, to make small events a little smaller.
            ws_per_message_deflate=False,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PING_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        Server(config).run(sockets=[listener])

    def _be_the_only_one(self) -> None:
        """Refuse to be a second web process that counts rate limits for itself."""
        try:
            folder.lock(settings.DATA_DIR / "web.lock")
        except folder.InUse as error:
            raise CommandError(
                f"Another web process (process {error.holder}) uses this data folder, and without a shared cache "
                "each would count rate limits for itself. Set CACHE_URL to a Valkey or Redis first."
            ) from None
