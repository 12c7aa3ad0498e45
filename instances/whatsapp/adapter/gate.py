"""Keeps neonize's Go maps from being written and read at the same moment.

neonize keeps its clients in plain Go maps (`clients`, `eventChannel`,
`StopSignal` in its goneonize/main.go). Go kills the whole process when it sees
a map read during a write. A client's creation and its stop write; every call
reads once, as the first thing it does. So: one writer at a time, no call
starts while one writes, and a writer waits until calls already begun are past
their first microseconds.

A new client reads the maps by itself once its connection is up (main.go,
CallbackFunction), which takes as long as the network does. So newcomers are
made one after the other, each held before it dials, and then dial together:
while they do, nobody writes.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# Far longer than a call takes to its map read, also on a busy machine.
SETTLE_SECONDS = 0.02


class Gate:
    """Many callers, or one writer; and newcomers, which are as many callers that take their time."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._writing = False
        self._waiting = 0
        self._dialing = 0
        self._last_call = 0.0

    def passing(self) -> None:
        """Wait while somebody writes; then go ahead with one call at once."""
        with self._changed:
            self._changed.wait_for(lambda: not self._writing)
            self._last_call = time.monotonic()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold calls, other writers and newcomers off."""
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: not self._writing and not self._dialing)
            self._waiting -= 1
            self._writing = True
            settled = self._last_call + SETTLE_SECONDS - time.monotonic()
        try:
            if settled > 0:
                time.sleep(settled)
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify_all()

    @contextmanager
    def dialing(self) -> Iterator[None]:
        """Hold writers off. Begins when none is left, or with others that have begun."""
        with self._changed:
            self._changed.wait_for(lambda: not self._writing and (self._dialing or not self._waiting))
            self._dialing += 1
        try:
            yield
        finally:
            with self._changed:
                self._dialing -= 1
                self._changed.notify_all()


# One, as there is one library in a process.
gate = Gate()
