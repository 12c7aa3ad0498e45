"""What a process counts, and that strangers do not reach it."""

import urllib.error
import urllib.request
from contextlib import nullcontext
from typing import Any
from unittest import mock

import pytest
from django.conf import settings
from django.db import DatabaseError, connection
from django.test import Client
from prometheus_client import REGISTRY, Gauge

from chats import pinbook, pins
from chats.pinbook import Outcome
from instances.models import Account, Instance
from instances.whatsapp import database, sending, service
from instances.whatsapp.commands import PinOrder
from instances.whatsapp.errors import AdminsOnly, Busy, NotConfirmed, NotConnected, Refused
from portal import metrics
from portal.broker import NobodyListens
from tests.portal_process import free_port
from tests.test_pins import make_message


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def asked(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_it_works(settings: Any) -> None:
    missing = ["", "no lease"]
    settings.METRICS_PORT = free_port() - 1
    metrics.serve(metrics.CONNECTOR, lambda: missing[-1])
    there = f"http://127.0.0.1:{settings.METRICS_PORT + 1}"
    assert b"portal_pin_seconds" in asked(f"{there}/metrics")[1]
    assert asked(f"{there}/readyz") == (503, b"no lease\n")
    missing.pop()
    assert asked(f"{there}/readyz") == (200, b"ok\n")


def test_whether_a_process_lives_is_no_question_to_the_database(settings: Any) -> None:
    """Was red: the worker was asked for its metrics, of which two are the database's."""

    def away() -> float:
        asked_for.append("the database")
        raise DatabaseError

    asked_for: list[str] = []
    away_gauge = Gauge("portal_test_away", "For this test.")
    metrics.ask(away_gauge, away)
    settings.METRICS_PORT = free_port() - 1
    metrics.serve(metrics.CONNECTOR)
    try:
        assert asked(f"http://127.0.0.1:{settings.METRICS_PORT + 1}/livez") == (200, b"ok\n")
        assert asked_for == []
    finally:
        # The other tests' registry is this one.
        REGISTRY.unregister(away_gauge)


def test_off_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a port was opened")

    monkeypatch.setattr(metrics, "_listen", fail)
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
    sending.send_pin(order, mock.Mock(), Refusing())  # type: ignore[arg-type]
    assert value("portal_pin_seconds_count", outcome=Outcome.REFUSED.value) == before + 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "heard"),
    [
        (None, "done"),
        (NotConnected(), "not connected"),
        (Busy(), "busy"),
        (NotConfirmed(), "unconfirmed"),
        (Refused("479"), "refused"),
        (AdminsOnly(), "not allowed"),
        (RuntimeError(), "failed"),
    ],
)
def test_a_pin_is_counted_by_what_its_caller_hears(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, heard: str
) -> None:
    """Was red: nobody there, a frozen connector, one at work: the commonest failures were counted nowhere."""
    shop = Instance.objects.create(account=Account.objects.create(name="Alice"), name="shop")
    message = make_message(shop, "3EB01")
    monkeypatch.setattr(service, "send_pin", mock.Mock(side_effect=error))
    before = value("portal_pins_total", heard=heard)
    with pytest.raises(type(error)) if error else nullcontext():
        pins.pin(message, 86_400, pins.Asker("Alice"))
    assert value("portal_pins_total", heard=heard) == before + 1


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
