"""Django's SQLite backend, in which the threads of a process take turns to write.

SQLite has one writer at a time, and no queue: who finds another one there looks
again after a while, each time a longer one (up to 100 ms), and in between
whoever comes along is first. Twelve threads that write spent seven tenths of
their time asleep with nobody writing, and some waited for seconds. So they wait
for each other here, where the next one is woken at once (`turn.py`), and
processes, which are few, let go first who has waited (`door.py`).
"""

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from django.db.backends.sqlite3 import base

from portal.sqlite3 import CASEFOLD, door
from portal.sqlite3.turn import Turn

# By database.
_turns: defaultdict[str, Turn] = defaultdict(Turn)

_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")


def _casefold(text: str | None) -> str | None:
    return None if text is None else text.casefold()


class Cursor(base.SQLiteCursorWrapper):
    """Takes a turn for a single statement that writes; one in a transaction has the transaction's."""

    database: "DatabaseWrapper"

    def execute(self, query: str, params: Any = None) -> Any:
        """Run a statement."""
        if self.connection.in_transaction or not query.lstrip().startswith(_WRITES):
            return super().execute(query, params)
        with self.database.turn.taking(self.database.patience), self.database.door():
            return super().execute(query, params)


class DatabaseWrapper(base.DatabaseWrapper):
    """A thread's connection."""

    _has_turn = False
    # How long a turn and the door are waited for, each; None: as long as they have it (PATIENCE_SECONDS).
    patience: float | None = None

    @property
    def turn(self) -> Turn:
        """Of all threads that write to this database."""
        return _turns[str(self.settings_dict["NAME"])]

    def door(self) -> AbstractContextManager[None]:
        """Held until one writes, against other processes; a database in memory has none."""
        return (
            nullcontext() if self.is_in_memory_db() else door.held(f"{self.settings_dict['NAME']}.door", self.patience)
        )

    @contextmanager
    def hurrying(self, seconds: float) -> Iterator[None]:
        """Whoever writes meanwhile waits no longer than this for its turn, for the door and for SQLite's lock, each."""
        self.ensure_connection()
        opened, self.patience = self.connection, seconds
        opened.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
        try:
            yield
        finally:
            self.patience = None
            # An error may have closed it, and a new one waits as it should.
            if self.connection is opened:
                opened.execute(f"PRAGMA busy_timeout = {int(self.settings_dict['OPTIONS']['timeout'] * 1000)}")

    def connect(self) -> None:
        """Open it. One that SQLite can only open for reading never writes again, so it is for the present request."""
        super().connect()
        name = self.settings_dict["NAME"]
        if os.path.exists(name) and not os.access(name, os.W_OK):
            self.close_at = time.monotonic()

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Open it, with what SQLite itself does not know: the case of other letters than ASCII's."""
        opened = super().get_new_connection(conn_params)
        opened.create_function(CASEFOLD, 1, _casefold, deterministic=True)
        return opened

    def create_cursor(self, name: str | None = None) -> Any:
        """A cursor whose writing waits for its turn."""
        cursor = self.connection.cursor(factory=Cursor)
        cursor.database = self
        return cursor

    def _start_transaction_under_autocommit(self) -> None:
        self._has_turn = self._has_turn or self.turn.take(self.patience)
        try:
            with self.door():
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
        if self._has_turn:
            self._has_turn = False
            self.turn.give()
