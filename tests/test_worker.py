"""The worker's own loops: what goes wrong once ends none of them, and is told without what people wrote."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from django.db import DatabaseError, IntegrityError

from chats.schedule import loop
from instances.events import worker
from instances.events.worker import Worker
from tests.test_session import until

pytestmark = pytest.mark.sqlite_only

REFUSED = 'null value in column "about"\nDETAIL:  Failing row contains (7, the bridge is at midnight).'


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """A worker whose database and queue are played; to be called on a loop."""
    monkeypatch.setattr(worker, "TRY_AGAIN", 0.01)
    monkeypatch.setattr(worker, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(worker, "HOUSEKEEPING_SECONDS", 0.01)

    def make() -> Any:
        made: Any = Worker()
        made._threads, made._turns = Mock(ask=AsyncMock(return_value=set())), AsyncMock()
        made._turns.take.return_value = None
        return made

    return make


@pytest.mark.parametrize("loop", ["_look", "_take", "_keep_house"])
def test_a_fault_of_ours_ends_no_loop(played: Callable[[], Any], loop: str) -> None:
    """Was red: no event went out any more, and the process lived on as if nothing were."""

    async def go() -> None:
        one = played()
        tried = one._turns.take if loop == "_take" else one._threads.ask
        after: set[Any] | None = None if loop == "_take" else set()
        tried.side_effect = [RuntimeError("can't start new thread")] + [after] * 10_000

        async def slowly(*arguments: Any, **_: Any) -> Any:
            await asyncio.sleep(0.001)
            return await mocked(*arguments)

        if loop == "_take":
            mocked, one._turns = tried, Mock(take=slowly)
        running = asyncio.create_task(getattr(one, loop)())
        await until(lambda: running.done() or tried.await_count > 3)
        assert not running.done(), running
        running.cancel()

    asyncio.run(go())


@pytest.mark.django_db(transaction=True)
def test_a_fault_of_ours_does_not_end_the_loop_of_plans(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Was red: the whole worker ended, at each start, and with it everybody's webhooks, plans and rules."""
    looks = Mock(side_effect=[KeyError("No time zone found with key Gone/Away"), DatabaseError(), *[set()] * 10_000])
    monkeypatch.setattr(loop, "_due_instances", looks)
    monkeypatch.setattr(loop, "LOOK_SECONDS", 0.01)

    async def go() -> None:
        plans = loop.Loop()
        running = asyncio.create_task(plans.run())
        await until(lambda: running.done() or looks.call_count > 3)
        assert not running.done(), running
        plans.stop()
        await running

    asyncio.run(go())
    assert "schedules wait: a fault of ours" in caplog.text


def test_a_row_that_the_database_refuses_is_not_quoted(
    played: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Was red: the rest of PostgreSQL's error is the row, which holds what people write."""

    async def go() -> None:
        one = played()
        one._threads.ask.side_effect = [IntegrityError(REFUSED)] + [set()] * 10_000
        looking = asyncio.create_task(one._look())
        await until(lambda: one._threads.ask.await_count > 3)
        looking.cancel()

    with caplog.at_level(logging.WARNING):
        asyncio.run(go())
    assert "null value in column" in caplog.text
    assert "midnight" not in caplog.text
