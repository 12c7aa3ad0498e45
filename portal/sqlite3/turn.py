"""Whose turn it is to write: the order in which threads asked, one after the other."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

# The turn is a courtesy and not the lock itself, which is SQLite's: after so long one goes on without it. Longer than
# a batch of messages takes on a busy machine: who goes on without it finds no gap between two batches.
PATIENCE_SECONDS = 5.0


class Turn:
    """A lock that is handed from hand to hand.

    One that is only let go is taken again by the thread that let go of it: it runs already, and who waits has to
    be woken first. A writer of one batch after the other kept others out for seconds, the connector's lease among
    them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Lock] = deque()

    def take(self, patience: float | None = None) -> bool:
        """Wait for it; False after so many seconds (PATIENCE_SECONDS) without it."""
        with self._lock:
            if not self._taken:
                self._taken = True
                return True
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        if mine.acquire(timeout=PATIENCE_SECONDS if patience is None else patience):
            return True
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
                return False
        return True  # It was handed over just now.

    def give(self) -> None:
        """Hand it to whoever has waited for longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False

    @property
    def taken(self) -> bool:
        """Whether somebody has it."""
        return self._taken

    @contextmanager
    def taking(self, patience: float | None = None) -> Iterator[None]:
        """Have it meanwhile, or go on without it."""
        mine = self.take(patience)
        try:
            yield
        finally:
            if mine:
                self.give()
