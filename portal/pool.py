"""Threads for work that waits for others: pages, calls of the library, the database.

As the standard library's pool, but for which thread works next. There, all take
turns: of sixty-four that are hardly ever needed at once each keeps a connection
to the database, its caches and a memory arena warm, 20 to 40 MB in all that go on
growing for hours. Here the one that worked last works next, and whoever has had
nothing to do for a while ends.
"""

import atexit
import threading
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

from django.db import connections

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

# Without work for so long a thread ends.
IDLE_SECONDS = 60.0

_Work = tuple["Future[Any]", Callable[[], Any]]


class Pool(Executor):
    """At most so many threads, of which the one that worked last works next. What finds none waits, in order."""

    def __init__(self, most: int, name: str) -> None:
        """`name` is the beginning of the threads' names."""
        self._most, self._name = most, name
        self._lock = threading.Lock()
        self._resting: list[_Thread] = []
        self._there: set[_Thread] = set()
        self._waiting: deque[_Work] = deque()
        self._closed = False
        self._made = 0
        _pools.add(self)

    def submit(
        self, work: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> "Future[Result]":
        """Have `work` done; RuntimeError once the pool is closed."""
        future: Future[Result] = Future()
        todo: _Work = (future, lambda: work(*args, **kwargs))
        with self._lock:
            if self._closed:
                raise RuntimeError(f"the pool {self._name} is closed")
            if self._resting:
                self._resting.pop().wake(todo)
            elif len(self._there) < self._most:
                self._begin(todo)
            else:
                self._waiting.append(todo)
        return future

    def _begin(self, todo: _Work) -> None:
        self._made += 1
        thread = _Thread(self, f"{self._name}_{self._made}", todo)
        self._there.add(thread)
        try:
            thread.start()
        except RuntimeError:  # There is no memory for another one.
            self._there.discard(thread)
            if not self._there:
                raise
            self._waiting.append(todo)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take nothing more; what waits is still done, unless it is to be cancelled."""
        with self._lock:
            self._closed = True
            while cancel_futures and self._waiting:
                self._waiting.popleft()[0].cancel()
            resting, self._resting = self._resting, []
            there = list(self._there)
        for thread in resting:
            thread.wake(None)
        for thread in there if wait else ():
            thread.join()

    def next_for(self, thread: "_Thread") -> _Work | None:
        """The next work for a thread that has none; waits for it. None: it is to end."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            if self._closed:
                return None
            self._resting.append(thread)
        if thread.woken(IDLE_SECONDS):
            return thread.given
        with self._lock:
            if thread in self._resting:
                self._resting.remove(thread)
                # From here on it does not count: another may be started in its place.
                self._there.discard(thread)
                return None
        thread.woken()  # Somebody woke it just now.
        return thread.given

    def gone(self, thread: "_Thread") -> None:
        """A thread ends."""
        with self._lock:
            self._there.discard(thread)


class _Thread(threading.Thread):
    def __init__(self, pool: Pool, name: str, first: _Work) -> None:
        # The process may end while it rests; for one that works `_close_all` waits.
        super().__init__(name=name, daemon=True)
        self._pool = pool
        self.given: _Work | None = first
        self._asleep = threading.Lock()
        self._asleep.acquire()

    def wake(self, work: _Work | None) -> None:
        self.given = work
        self._asleep.release()

    def woken(self, seconds: float = -1) -> bool:
        return self._asleep.acquire(timeout=seconds)

    def run(self) -> None:
        todo, self.given = self.given, None
        try:
            while todo is not None:
                _do(*todo)
                del todo  # Nothing of what is done is kept while it rests.
                todo = self._pool.next_for(self)
                self.given = None
        finally:
            connections.close_all()
            self._pool.gone(self)


def _do(future: "Future[Any]", work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
    finally:
        del future  # Its error knows this frame, and would keep it.


_pools: "weakref.WeakSet[Pool]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """What was begun is brought to its end before the process ends."""
    for pool in list(_pools):
        pool.shutdown()
