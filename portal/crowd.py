"""How many requests a web process works on at once, and how many more may wait for somebody else meanwhile.

Whoever waits for WhatsApp holds a thread, for up to ACK_TIMEOUT, and costs
nothing: there may be many. Whoever works shares one interpreter with all the
others: of sixty who work at once each takes sixty times as long, and those with
most to do never end. So few work at once, and the others wait for their turn.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Semaphore
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Crowd:
    """The requests of one web process. To be used on its event loop, but for `Place.step_aside`."""

    def __init__(self, working: int, present: int) -> None:
        """At most so many `working`, and `present` in all."""
        self._working = asyncio.Semaphore(working)
        self._present = asyncio.Semaphore(present)

    async def enter(self, patience: float | None) -> "Place | None":
        """Wait for a place, first come, first served; None when there is none within `patience` seconds."""
        try:
            async with asyncio.timeout(patience):
                await self._present.acquire()
                try:
                    await self._working.acquire()
                except BaseException:
                    self._present.release()
                    raise
        except TimeoutError:
            return None
        return Place(asyncio.get_running_loop(), self._working, self._present)


class Place:
    """One request's place in the crowd."""

    def __init__(self, loop: asyncio.AbstractEventLoop, working: asyncio.Semaphore, present: asyncio.Semaphore) -> None:
        self._loop, self._working, self._present = loop, working, present
        self._works = True

    def step_aside(self) -> None:
        """It works no more, and only waits. Callable from any thread, any number of times."""
        self._loop.call_soon_threadsafe(self._stop_working)

    def leave(self) -> None:
        """It is over."""
        self._stop_working()
        self._present.release()

    def _stop_working(self) -> None:
        if self._works:
            self._works = False
            self._working.release()


_place: ContextVar[Place | None] = ContextVar("place", default=None)


def at(place: Place, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Do the work of the request at `place`."""
    token = _place.set(place)
    try:
        return work(*args, **kwargs)
    finally:
        _place.reset(token)


@contextmanager
def one_of(places: Semaphore, full: Callable[[], Exception]) -> Iterator[None]:
    """Have one of some places meanwhile; without a free one, raise what `full` makes at once."""
    if not places.acquire(blocking=False):
        raise full()
    try:
        yield
    finally:
        places.release()


def step_aside() -> None:
    """Say before a long wait for somebody else that the present request, if there is one, lets others work."""
    if (place := _place.get()) is not None:
        place.step_aside()
