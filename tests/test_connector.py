"""A connector's own loops: what goes wrong once ends none of them. Its lease, sessions and lock are played."""

import asyncio
import errno
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import AsyncMock, Mock, patch

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
        made._calling = made._tidying = None
        made._ending, made._beginning = {}, set()
        made._pool, made._writer, made._history, made._ticks, made._outage = (Mock() for _ in range(5))
        made._threads = Mock(run=AsyncMock(), ask=AsyncMock())
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
    return [Mock(instance=Mock(pk=1, epoch=epoch), begin=AsyncMock(), end=AsyncMock(), due=False) for epoch in epochs]


async def tick(one: Any, held: int, taken: Any) -> None:
    """Of one instance: under which epoch it is held, and the session of what is taken then."""
    lease = one.lease
    lease.held, lease.look_around, lease.surplus = {1: held}, Mock(return_value=0), Mock(return_value=[])
    lease.unplaced, lease.claim = Mock(return_value=(0, [])), Mock(return_value=[taken.instance])
    with patch.object(connector, "Session", return_value=taken):
        await one._tick(1)


class SlowEnd:
    """A session's end that takes until it is told, and what happened beside it."""

    def __init__(self, session: Any) -> None:
        self.order: list[str] = []
        self.may_end = asyncio.Event()
        session.end = self._end

    async def _end(self) -> None:
        self.order.append("end")
        await self.may_end.wait()
        self.order.append("ended")

    def before(self, session: Any) -> None:
        session.begin.side_effect = lambda: self.order.append("begin")


def test_what_is_taken_again_before_it_was_missed() -> None:
    """Was red: nobody ended the session that was there, nor the client that it was just starting."""

    async def work(one: Any) -> None:
        old, new = sessions_of(1, 2)
        one._sessions, ending = {1: old}, SlowEnd(old)
        ending.before(new)
        await tick(one, held=1, taken=new)
        assert one._sessions == {1: new}
        await until(lambda: ending.order)
        assert ending.order == ["end"]
        ending.may_end.set()
        await until(lambda: new.begin.called)
        assert ending.order == ["end", "ended", "begin"]

    run(work)


def test_what_is_lost_twice_while_its_first_session_ends() -> None:
    """Was red: the third began beside the first one's client."""

    async def work(one: Any) -> None:
        first, second, third = sessions_of(1, 2, 3)
        one._sessions, ending = {1: first}, SlowEnd(first)
        ending.before(third)
        await tick(one, held=2, taken=second)
        await until(lambda: ending.order)
        await tick(one, held=3, taken=third)
        await until(lambda: second.end.await_count)
        assert ending.order == ["end"]
        ending.may_end.set()
        await until(lambda: third.begin.called)
        assert ending.order == ["end", "ended", "begin"]
        await until(lambda: not one._ending)

    run(work)


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
        one._sessions = {1: bad, 2: good}
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
