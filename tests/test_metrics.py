"""What a process counts, and that strangers do not reach it."""

import urllib.request
from unittest import mock

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from chats import pinbook
from chats.pinbook import Outcome
from instances.whatsapp import database, sending
from instances.whatsapp.commands import PinOrder
from instances.whatsapp.errors import Refused
from portal import metrics
from portal.broker import NobodyListens
from tests.portal_process import free_port


def value(name: str, **labels: str) -> float:
    from prometheus_client import REGISTRY

    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_it_works(settings: pytest.FixtureRequest) -> None:
    settings.METRICS_PORT = free_port() - 1  # type: ignore[attr-defined]
    metrics.serve(metrics.CONNECTOR)
    with urllib.request.urlopen(f"http://127.0.0.1:{settings.METRICS_PORT + 1}/metrics") as answer:  # type: ignore[attr-defined]
        assert b"portal_pin_seconds" in answer.read()


def test_off_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a port was opened")

    monkeypatch.setattr(metrics, "start_http_server", fail)
    metrics.serve(metrics.WORKER)


@pytest.mark.django_db
def test_not_on_the_portals_own_address(client: Client) -> None:
    assert client.get("/metrics").status_code == 404


@pytest.mark.parametrize(("process", "offset"), [("web", 0), ("web 2", 3), ("web 3", 4), ("portal", 0)])
def test_each_process_has_its_port(process: str, offset: int) -> None:
    assert metrics.web_offset(process) == offset


def test_a_pin_is_counted_by_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def send_pin(self, *_: object) -> None:
            raise Refused("479")

    monkeypatch.setattr(pinbook, "settle", lambda *_, **__: True)
    monkeypatch.setattr(database, "call", lambda work, *a, **k: work(*a, **k))
    before = value("portal_pin_seconds_count", outcome=Outcome.REFUSED.value)
    order = PinOrder(
        deadline=0, epoch=1, attempt="0" * 32, chat="c", message_id="m", from_me=False, participant=None, duration=None
    )
    sending.send_pin(order, Refusing())  # type: ignore[arg-type]
    assert value("portal_pin_seconds_count", outcome=Outcome.REFUSED.value) == before + 1


@pytest.mark.django_db
def test_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from portal import health

    class Away:
        async def reach(self) -> None:
            raise NobodyListens

        def run(self, work: object) -> None:
            work.close()  # type: ignore[attr-defined]
            raise NobodyListens

    monkeypatch.setattr(health, "broker", Away)
    health.ready.forget()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "NATS unavailable"})
    assert client.get("/healthz").status_code == 200


@pytest.mark.django_db
def test_a_database_that_cannot_be_written_is_not_ready(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that can only be read, or a server that only follows another."""
    from portal import health

    monkeypatch.setattr(health, "broker", mock.MagicMock())
    health.ready.forget()
    assert client.get("/readyz").status_code == 200
    if connection.vendor == "sqlite":
        # Nobody writes there, not even root.
        monkeypatch.setitem(settings.DATABASES["default"], "NAME", "/proc/portal.sqlite3")
    else:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL transaction_read_only = on")
    health.ready.forget()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "database cannot be written"})
    assert client.get("/healthz").status_code == 200
