"""The pool of threads: whoever worked last works next, and whoever has nothing to do ends."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import Future, wait

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal import pool as module
from portal.aside import aside
from portal.pool import Pool
from tests.portal_process import ROOT

MOST = 4


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(MOST, "tried")
    yield made
    made.shutdown()


def name() -> str:
    return threading.current_thread().name


def done(*futures: "Future[str]") -> list[str]:
    return [future.result(10) for future in futures]


def resting(pool: Pool, count: int) -> None:
    """Wait until so many threads have nothing to do."""
    until = time.monotonic() + 10
    while len(pool._resting) != count:
        assert time.monotonic() < until, pool._resting
        time.sleep(0.001)


def blocked(pool: Pool, count: int) -> tuple[threading.Event, list["Future[bool]"]]:
    """So much work that ends when the event is set."""
    gate = threading.Event()
    return gate, [pool.submit(gate.wait, 10) for _ in range(count)]


def test_results_and_errors(pool: Pool) -> None:
    assert pool.submit(divmod, 7, 2).result(10) == (3, 1)
    resting(pool, 1)
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 7, 0).result(10)
    resting(pool, 1)
    assert done(pool.submit(name)) == ["tried_1"], "a thread that met an error works on"


def test_the_one_that_worked_last_works_next(pool: Pool) -> None:
    gate, futures = blocked(pool, MOST)
    gate.set()
    wait(futures)
    resting(pool, MOST)
    last = pool._resting[-1].name
    for _ in range(20):
        assert done(pool.submit(name)) == [last]
        resting(pool, MOST)


def test_no_more_threads_than_are_needed(pool: Pool) -> None:
    for _ in range(50):
        done(pool.submit(name))
        resting(pool, 1)
    assert len(pool._there) == 1


def test_what_finds_no_thread_waits_in_order(pool: Pool) -> None:
    gate, futures = blocked(pool, MOST)
    order: list[int] = []
    later = [pool.submit(order.append, number) for number in range(50)]
    assert len(pool._there) == MOST
    assert order == []
    gate.set()
    wait(futures)
    wait(later)
    # Of four threads each may be slower with its own than the others with theirs, by any number on a busy machine.
    assert sorted(order) == list(range(50))
    alone = Pool(1, "alone")
    gate, futures = blocked(alone, 1)
    order.clear()
    later = [alone.submit(order.append, number) for number in range(50)]
    gate.set()
    wait(futures)
    wait(later)
    alone.shutdown()
    assert order == list(range(50))


def test_a_thread_without_work_ends_and_another_comes(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.05)
    done(pool.submit(name))
    threads = list(pool._there)
    until = time.monotonic() + 10
    while pool._there:
        assert time.monotonic() < until
        time.sleep(0.01)
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert done(pool.submit(name)) == ["tried_2"]


def test_no_memory_for_another_thread(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are there do its work; where none is, the caller hears of it."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    gate, futures = blocked(pool, 1)
    monkeypatch.setattr(module._Thread, "start", start)
    waiting = pool.submit(name)
    gate.set()
    wait(futures)
    assert done(waiting) == ["tried_1"]
    with pytest.raises(RuntimeError, match="can't start new thread"):
        Pool(MOST, "none").submit(name)


@settings(max_examples=20, deadline=None)
@given(pauses=st.lists(st.sampled_from([0, 0.0005, 0.001, 0.002]), min_size=20, max_size=60))
def test_none_is_lost_while_threads_end(pauses: list[float]) -> None:
    """Work comes just when its thread has waited long enough."""
    pool = Pool(MOST, "ending")
    before, module.IDLE_SECONDS = module.IDLE_SECONDS, 0.001
    try:
        futures = []
        for pause in pauses:
            futures.append(pool.submit(name))
            time.sleep(pause)
        assert len(done(*futures)) == len(pauses)
    finally:
        module.IDLE_SECONDS = before
        pool.shutdown()
    assert not pool._there


def test_what_waits_is_done_before_the_end(pool: Pool) -> None:
    gate, futures = blocked(pool, MOST)
    waiting, cancelled = pool.submit(name), pool.submit(name)
    assert cancelled.cancel()
    threading.Timer(0.05, gate.set).start()
    pool.shutdown()
    assert all(future.result(0) for future in futures)
    assert waiting.result(0)
    assert cancelled.cancelled()
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(name)


def test_work_that_is_done_is_not_kept(pool: Pool) -> None:
    class Large:
        pass

    large = Large()
    known = weakref.ref(large)
    done(pool.submit(lambda _: "seen", large))
    del large
    resting(pool, 1)
    gc.collect()
    assert known() is None


ENDING = """
import time
import django; django.setup()
from portal.pool import Pool
pool = Pool(2, "last")
pool.submit(lambda: None)
pool.submit(lambda: (time.sleep(0.5), print("written")))
"""


def test_a_process_ends_when_what_was_begun_is_done() -> None:
    environment = {"DJANGO_SETTINGS_MODULE": "portal.settings"}
    ended = subprocess.run(
        [sys.executable, "-c", ENDING], cwd=ROOT, env=os.environ | environment, timeout=50,
        capture_output=True, text=True,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "written\n", "")


def test_who_streams_keeps_no_thread_for_good() -> None:
    """Was red: each look-up beside the event loop added one of asyncio's own threads, which stay, six in all."""

    async def look_up() -> set[str]:
        return set(await asyncio.gather(*(aside(name) for _ in range(8))))

    assert all(one.startswith("aside") for one in asyncio.run(look_up()))
