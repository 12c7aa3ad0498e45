"""A connector's own loops: what goes wrong once ends none of them. Its lease, sessions and lock are played."""

import asyncio
import errno
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from prometheus_client import REGISTRY

from instances.whatsapp import connector
from instances.whatsapp.connector import Connector
from tests.test_session import until

pytestmark = pytest.mark.sqlite_only


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(connector, "WATCH_SECONDS", 0.01)


def run(work: Callable[[Any], Awaitable[None]]) -> None:
    """With a connector that has only what its loops need."""

    async def leasing(work: Callable[..., Any], *arguments: Any) -> Any:
        return work(*arguments)

    async def go() -> None:
        made = Connector.__new__(Connector)
        made.name, made.lease, made._lock = "one", Mock(run=uuid.uuid4(), good=True), Mock(read=lambda: "")
        made._stop, made._loop, made._tasks, made._sessions = asyncio.Event(), asyncio.get_running_loop(), set(), {}
        made._calling = None
        made._leasing, made._call_others = leasing, AsyncMock()  # type: ignore[method-assign]
        await work(made)

    asyncio.run(go())


async def beats(one: Any, outcomes: list[Any]) -> None:
    """Let it beat until all of these have come, and some more."""
    one.lease.beat.side_effect = outcomes + [True] * 10_000
    beating = asyncio.create_task(one._beat())
    await until(lambda: one.lease.beat.call_count > len(outcomes) + 2)
    beating.cancel()


def test_a_full_disk_does_not_end_the_beat() -> None:
    """Was red: once its lease was lost and its run could not be noted, the process lived on without one, for good."""
    full = OSError(errno.ENOSPC, "No space left on device")

    async def work(one: Any) -> None:
        one._lock.flush.side_effect = [full, full, None]
        await beats(one, [True, False])
        assert one.lease.enter.call_count == 1

    run(work)


@pytest.mark.parametrize("where", ["beat", "enter"])
def test_a_fault_of_ours_does_not_end_the_beat(where: str) -> None:
    """Was red, likewise."""
    fault = ValueError("a fault of ours")

    async def work(one: Any) -> None:
        one.lease.enter.side_effect = [fault, True] if where == "enter" else None
        await beats(one, [fault if where == "beat" else False])

    run(work)


def test_one_that_cannot_leave_the_air_keeps_no_other_there() -> None:
    """Was red: no lease was watched any more."""

    async def work(one: Any) -> None:
        bad, good = AsyncMock(), AsyncMock()
        bad.leave.side_effect = bad.stand_down.side_effect = ValueError("a fault of ours")
        one._sessions, one.lease.good = {1: bad, 2: good}, False
        watching = asyncio.create_task(one._watch())
        await until(lambda: good.stand_down.await_count > 2)
        assert good.leave.await_count > 2
        watching.cancel()

    run(work)


def sessions_of(*epochs: int) -> list[Any]:
    return [Mock(instance=Mock(pk=1, epoch=epoch), end=AsyncMock()) for epoch in epochs]


def test_what_is_let_go_is_free() -> None:
    async def work(one: Any) -> None:
        (session,) = sessions_of(1)
        one._sessions = {1: session}
        await one._let_go(session)
        assert not one._sessions
        one.lease.release.assert_called_once_with(1, 1)

    run(work)


def test_what_is_let_go_and_was_taken_anew_meanwhile() -> None:
    """Was red: the new session was forgotten, its instance freed, and its client stayed on the air."""

    async def work(one: Any) -> None:
        old, new = sessions_of(1, 2)
        one._sessions = {1: old}

        async def end() -> None:
            one._sessions = {1: new}

        old.end = end
        await one._let_go(old)
        assert one._sessions == {1: new}
        assert not one.lease.release.called

    run(work)


def test_one_that_cannot_be_ended_keeps_no_other_from_being_handed_over() -> None:
    """Was red: the drain broke off, the others' instances waited for the lease, and the writer was not closed."""

    async def work(one: Any) -> None:
        bad, good = sessions_of(1, 2)
        bad.end.side_effect, good.instance.pk = ValueError("a fault of ours"), 2
        one._sessions, one._tidying = {1: bad, 2: good}, None
        one._threads = Mock(run=AsyncMock())
        one._history, one._writer, one._ticks = Mock(), Mock(), Mock()
        await one._drain()
        one.lease.release.assert_called_once_with(2, 2)
        one._threads.run.assert_any_await(one._writer.close)
        assert not one.lease.leave.called, "the other may still be on the air"

    run(work)


def test_what_is_connected_is_counted_while_the_lease_is_good() -> None:
    """Was red: while the database was away it said "connected" of what was off the air, and held by another perhaps."""

    async def work(one: Any) -> None:
        one._sessions = {1: Mock(instance=Mock(state="connected")), 2: Mock(instance=Mock(state="linking"))}
        one._count_states()
        for good, counted in ((True, 1), (False, 0), (True, 1)):
            one.lease.good = good
            assert REGISTRY.get_sample_value("portal_instances", {"state": "connected"}) == counted
        one._sessions.clear()

    run(work)


def test_what_is_lost_while_it_is_chosen() -> None:
    """Was red: the process ended."""

    async def work(one: Any) -> None:
        one._sessions = {session.instance.pk: session for session in sessions_of(1)}

        def surplus(idle: list[int]) -> list[int]:
            one._sessions.clear()
            return idle

        one.lease.surplus = surplus
        await one._hand_over()

    run(work)
