"""Work on several connections to PostgreSQL at once, where one waits for the rows of another."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import connection

Result = TypeVar("Result")
SECONDS = 60.0
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


class Beside:
    """Threads, each with a connection of its own."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads

    def begin(self, work: Callable[[], Result]) -> "Future[Result]":
        """Have `work` done beside the test."""

        def done() -> Result:
            try:
                return work()
            finally:
                connection.close()

        return self._threads.submit(done)

    def until_it_waits(self, work: "Future[Any]") -> None:
        """Return once this waits for somebody's lock; or is done, and did not have to."""
        limit = time.monotonic() + SECONDS
        # On a connection of its own each time: within a transaction the answer would stay what it was.
        while not work.done() and not self.begin(_waiting).result(SECONDS):
            assert time.monotonic() < limit
            time.sleep(0.01)


@contextmanager
def beside() -> Iterator[Beside]:
    """Give such threads; at the end all of it is done."""
    with ThreadPoolExecutor(4) as threads:
        yield Beside(threads)


def _waiting() -> int:
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        return int(cursor.fetchone()[0])
