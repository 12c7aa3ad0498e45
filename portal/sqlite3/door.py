"""Where processes wait before they write: whoever waits there keeps others from being first.

SQLite asks again after a while, up to 100 ms. Between one batch of messages and the next the connector leaves it a
millisecond: another process that wanted to write met it after 5 s on the average.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from portal.sqlite3.turn import PATIENCE_SECONDS

LOOK_SECONDS = 0.002


@contextmanager
def held(path: str, patience: float | None = None) -> Iterator[None]:
    """Keep others waiting meanwhile: until one has begun to write, and no longer.

    A courtesy as a turn is: after so many seconds (PATIENCE_SECONDS) one goes through all the same. The lock is the
    kernel's, on a file of its own: it goes with a process that is killed.
    """
    file = None
    # No room on the disk for it, or a disk that can only be read: the database will say so itself.
    with suppress(OSError):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _wait_for(file, PATIENCE_SECONDS if patience is None else patience)
    try:
        yield
    finally:
        if file is not None:
            os.close(file)


def _wait_for(file: int, patience: float) -> None:
    limit = time.monotonic() + patience
    while time.monotonic() < limit:
        with suppress(BlockingIOError):
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(LOOK_SECONDS)
