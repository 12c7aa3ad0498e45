"""The worker's loop over schedules, rules and batches: looks once a second; instances go on beside each other."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from django.db import DatabaseError
from django.utils import timezone

from chats.errands import runner as batches
from chats.rules import runner as rules
from chats.schedule import runner
from instances.whatsapp.threads import Threads
from portal import clock
from portal.pool import Pool

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
# How often to look for what a clock that was wrong has put off.
MEND_SECONDS = 600.0
# So many instances send at the same moment; each of them one pin after the other.
THREADS = 16
# What is under way at the end has so long; what is not noted then, the next runner finds out.
DRAIN_SECONDS = 6.0


class Loop:
    """Runs until `stop`. Several, in any number of processes, do each other no harm."""

    def __init__(self) -> None:
        self._threads = Threads(Pool(THREADS, "schedule"))
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._under_way: dict[int, asyncio.Future[bool]] = {}
        self._trouble = False

    def stop(self) -> None:
        """End `run` once what is on the wire is through. Callable from any thread."""
        self._loop.call_soon_threadsafe(self._stop.set)

    async def run(self) -> None:
        """Carry out what is due until `stop`."""
        while not self._stop.is_set():
            try:
                due = await self._threads.ask(_due_instances)
                self._trouble = False
            except Exception as error:
                if not self._trouble:
                    away = isinstance(error, DatabaseError)
                    log.exception("schedules wait: %s", "the database is away" if away else "a fault of ours")
                self._trouble, due = True, set()
            for instance in due:
                if instance not in self._under_way:
                    self._begin(instance)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._stop.wait()
        if self._under_way:
            await asyncio.wait(self._under_way.values(), timeout=DRAIN_SECONDS)

    def _begin(self, instance: int) -> None:
        work = asyncio.ensure_future(self._threads.ask(_run_instance, instance, self._stop.is_set))
        self._under_way[instance] = work

        def ended(done: "asyncio.Future[bool]") -> None:
            del self._under_way[instance]
            if not done.cancelled() and done.exception() is not None:
                # The row stays claimed for a while, and is then taken up again.
                log.error("a schedule was not carried out", exc_info=done.exception())
            elif not done.cancelled() and done.result() and not self._stop.is_set():
                self._begin(instance)  # There may be more: at the end of the queue, behind the others.

        work.add_done_callback(ended)


class _Mending:
    """Once at the start, and every MEND_SECONDS."""

    def __init__(self) -> None:
        self._next = 0.0

    def due(self) -> bool:
        now = clock.steady()
        if now < self._next:
            return False
        self._next = now + MEND_SECONDS
        return True


_mending = _Mending()


def _due_instances() -> set[int]:
    if clock.doubted(clock.A_WHILE):
        return set()
    now = timezone.now()
    if _mending.due():
        runner.mend()
    return {*runner.due_instances(now), *rules.due_instances(now), *batches.due_instances(now)}


def _run_instance(instance: int, stopped: Callable[[], bool]) -> bool:
    """What was planned goes before what was not, and single pins before many. True: there may be more to do now."""
    planned = runner.run_instance(instance, None, stopped)
    found = rules.run_instance(instance, None, stopped)
    batches.run_instance(instance, None, stopped)
    return planned >= runner.BATCH or found >= rules.BATCH
