"""What each process counts of itself, for Prometheus: on a port of its own, and only when METRICS_PORT is set.

Not on the portal's own address: strangers reach that one. Labels hold neither
an instance's name nor anything a person wrote: they are few, and tell nothing.
"""

from django.conf import settings
from prometheus_client import Counter, Gauge, Histogram, start_http_server

PIN_SECONDS = Histogram(
    "portal_pin_seconds",
    "From an order at the connector to WhatsApp's answer, recorded; by outcome.",
    ["outcome"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 75),
)
MESSAGES = Counter("portal_messages_in", "Messages that were new, live and of the past.")
LEASES = Counter("portal_lease_changes", "Instances taken, handed over and lost by this connector.", ["change"])
REFUSED = Counter("portal_rate_limit_refusals", "API calls answered 429.")
CONNECTIONS = Gauge("portal_instances", "Instances this connector holds, by state.", ["state"])
QUEUE = Gauge("portal_writer_queue", "Events that wait to be written.")
LEASE_SECONDS = Gauge("portal_lease_seconds", "How long this connector may still trust its lease.")

# Each process of one machine has a port: METRICS_PORT and those after it.
CONNECTOR, WORKER = 1, 2


def serve(offset: int) -> None:
    """Answer at METRICS_HOST, METRICS_PORT + offset, on a thread; nothing happens without METRICS_PORT.

    Raises OSError when the port is taken.
    """
    if settings.METRICS_PORT:
        start_http_server(settings.METRICS_PORT + offset, settings.METRICS_HOST)


def web_offset(process: str) -> int:
    """The offset of a web process by its name ("web", "web 2", …)."""
    number = process.rpartition(" ")[2]
    return WORKER + int(number) - 1 if number.isdecimal() else 0
