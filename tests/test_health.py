"""`/readyz` and `/healthz`: anybody may ask, as often as they like, and it costs little."""

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import pytest

from portal import health
from portal.asgi import HEALTH_THREADS, application
from portal.health import Verdict

pytestmark = pytest.mark.sqlite_only


@pytest.fixture
def clock() -> Iterator[mock.Mock]:
    with mock.patch("portal.health.time.monotonic", return_value=1000.0) as clock:
        yield clock


def test_a_verdict_is_kept_for_a_second(clock: mock.Mock) -> None:
    """Was red: each call wrote a file and asked NATS."""
    look = mock.Mock(side_effect=["", "NATS unavailable", ""])
    verdict = Verdict(look)
    assert [verdict.ask() for _ in range(100)] == [""] * 100
    assert look.call_count == 1
    clock.return_value += health.KEPT_SECONDS
    assert [verdict.ask() for _ in range(100)] == ["NATS unavailable"] * 100
    clock.return_value += health.KEPT_SECONDS
    assert verdict.ask() == ""


def test_nobody_waits_for_anothers_look(clock: mock.Mock) -> None:
    """Was red: two calls of /readyz held both threads, and /healthz waited for them."""
    began, enough = threading.Event(), threading.Event()

    def look() -> str:
        began.set()
        assert enough.wait(20)
        return ""

    verdict = Verdict(look)
    with ThreadPoolExecutor(HEALTH_THREADS) as pool:
        first = pool.submit(verdict.ask)
        try:
            assert began.wait(20)
            # The other thread is free, for however many.
            for _ in range(5):
                assert "ask again" in pool.submit(verdict.ask).result(20)
        finally:
            enough.set()
        assert first.result(20) == ""
        began.clear()
        enough.clear()
        clock.return_value += health.KEPT_SECONDS
        second = pool.submit(verdict.ask)
        try:
            assert began.wait(20)
            assert pool.submit(verdict.ask).result(20) == "", "what was known a moment ago"
            clock.return_value += health.BELIEVED_SECONDS
            assert "ask again" in pool.submit(verdict.ask).result(20)
        finally:
            enough.set()
        assert second.result(20) == ""


def test_a_look_that_fails_is_not_the_last(clock: mock.Mock) -> None:
    verdict = Verdict(mock.Mock(side_effect=[RuntimeError, ""]))
    with pytest.raises(RuntimeError):
        verdict.ask()
    assert verdict.ask() == ""


def test_whether_it_lives_is_said_while_every_thread_waits_for_the_database() -> None:
    """Was red: /healthz was the probe, and asks the database: all web processes were restarted while that was away.

    No test touches the database without saying so; this one does not.
    """
    told: list[Any] = []

    async def send(event: Any) -> None:
        told.append(event)

    async def receive() -> Any:
        raise AssertionError("nothing of it is read")

    scope = {"type": "http", "method": "GET", "path": "/livez", "headers": []}

    async def ask() -> None:
        await application(scope, receive, send)

    asyncio.run(ask())
    assert told[0]["status"] == 200
    assert json.loads(told[1]["body"]) == {"status": "ok"}
