"""Django's SQLite backend, in which the threads of a process take turns to write.

SQLite has one writer at a time, and no queue: who finds another one there looks
again after a while, each time a longer one (up to 100 ms), and in between
whoever comes along is first. Twelve threads that write spent seven tenths of
their time asleep with nobody writing, and some waited for seconds. So they wait
for each other here, where the next one is woken at once; only what other
processes write is still waited for as before.
"""

import os
import threading
import time
from collections import defaultdict
from typing import Any

from django.db.backends.sqlite3 import base

# The turn is a courtesy and not the lock itself, which is SQLite's: after so long one goes on without it.
PATIENCE_SECONDS = 1.0

# By database.
_turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


class DatabaseWrapper(base.DatabaseWrapper):
    """A thread's connection."""

    _turn: "threading.Lock | None" = None

    def connect(self) -> None:
        """Open it. One that SQLite can only open for reading never writes again, so it is for the present request."""
        super().connect()
        name = self.settings_dict["NAME"]
        if os.path.exists(name) and not os.access(name, os.W_OK):
            self.close_at = time.monotonic()

    def _start_transaction_under_autocommit(self) -> None:
        turn = _turns[str(self.settings_dict["NAME"])]
        if self._turn is None and turn.acquire(timeout=PATIENCE_SECONDS):
            self._turn = turn
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._end_turn()
            raise

    def _commit(self) -> Any:
        result = super()._commit()  # type: ignore[misc]
        # One that failed is rolled back.
        self._end_turn()
        return result

    def _rollback(self) -> Any:
        try:
            return super()._rollback()  # type: ignore[misc]
        finally:
            self._end_turn()

    def _close(self) -> Any:
        try:
            return super()._close()  # type: ignore[misc]
        finally:
            self._end_turn()

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.release()
