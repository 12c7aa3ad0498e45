"""What each process counts of itself, for Prometheus: on a port of its own, and only when METRICS_PORT is set.

Not on the portal's own address: strangers reach that one. Labels hold neither
an instance's name nor anything a person wrote: they are few, and tell nothing.
"""

import math
import socket
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.conf import settings
from django.db import DatabaseError
from prometheus_client import Counter, Gauge, Histogram, make_wsgi_app

from instances.whatsapp import database

PIN_SECONDS = Histogram(
    "portal_pin_seconds",
    "From an order at the connector to WhatsApp's answer, recorded; by outcome.",
    ["outcome"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 75),
)
# The connector counts what reached the library. What its callers hear is more than that: of a connector that stands
# still, is cut off or is not there nothing is counted above.
PINS = Counter("portal_pins", "Pins and unpins that were asked for, by what whoever asked heard.", ["heard"])
MESSAGES = Counter("portal_messages_in", "Messages that were new, live and of the past.")
ASKED_AGAIN = Counter("portal_messages_asked_again", "Messages cut off by a kill, whose senders were asked again.")
LEASES = Counter("portal_lease_changes", "Instances taken, handed over and lost by this connector.", ["change"])
CHANGES = ("taken", "handed over", "lost")
for change in CHANGES:
    # There from the start: of a series that begins with what has happened Prometheus sees no increase.
    LEASES.labels(change)
REFUSED = Counter("portal_rate_limit_refusals", "API calls answered 429.")
BUSY = Counter("portal_busy_refusals", "Requests answered 503 because no thread was free for them in time.")
CONNECTIONS = Gauge("portal_instances", "Instances this connector holds, by state.", ["state"])
QUEUE = Gauge("portal_writer_queue", "Events that wait to be written.")
UNPLACED = Gauge("portal_instances_unplaced", "Instances that no connector may hold; 0 at all connectors but one.")
LEASE_SECONDS = Gauge("portal_lease_seconds", "How long this connector may still trust its lease.")
WEBHOOK_LAG = Gauge(
    "portal_webhook_lag_seconds",
    "For how long the oldest event waits that could be delivered; the same at all workers.",
)
WEBHOOK_ATTEMPTS = Counter("portal_webhook_attempts", "Requests to webhooks, by what came of them.", ["outcome"])
SCHEDULE_LAG = Gauge(
    "portal_schedule_lag_seconds", "For how long the oldest planned pin is overdue; the same at all workers."
)

# Each process of one machine has a port: METRICS_PORT and those after it.
CONNECTOR, WORKER = 1, 2


def serve(offset: int, ready: Callable[[], str] = lambda: "") -> None:
    """Answer at METRICS_HOST, METRICS_PORT + offset, on a thread; nothing happens without METRICS_PORT.

    Beside /metrics, for whoever starts processes anew: /livez says that this one answers, and asks nobody, because a
    database that is away is not mended by that; /readyz says what `ready` does: what is missing, or nothing.

    Raises OSError when the port is taken.
    """
    if settings.METRICS_PORT:
        _listen(settings.METRICS_HOST, settings.METRICS_PORT + offset, ready)


def _listen(host: str, port: int, ready: Callable[[], str]) -> None:
    told: dict[str, Callable[[], str]] = {"/livez": lambda: "", "/readyz": ready}
    metrics: Callable[..., Iterable[bytes]] = make_wsgi_app()

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if (look := told.get(environ["PATH_INFO"])) is None:
            return metrics(environ, start_response)
        missing = look()
        start_response("503 Service Unavailable" if missing else "200 OK", [("Content-Type", "text/plain")])
        return [f"{missing or 'ok'}\n".encode()]

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True
        address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]

    server = make_server(host, port, answer, Server, _Silent)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


class _Silent(WSGIRequestHandler):
    """Writes no line for each question."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


def ask(gauge: Gauge, work: Callable[[], float]) -> None:
    """Have a gauge asked of the database each time Prometheus asks us; not a number while it does not answer."""

    def answer() -> float:
        try:
            return database.call(work)
        except DatabaseError:
            return math.nan

    gauge.set_function(answer)


def web_offset(process: str) -> int:
    """The offset of a web process by its name ("web", "web 2", …)."""
    number = process.rpartition(" ")[2]
    return WORKER + int(number) - 1 if number.isdecimal() else 0
