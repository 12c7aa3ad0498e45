"""One portal a data folder, even if its supervisor is killed.

The lock is flock(2) on a file, taken by the supervisor and inherited by the
processes it starts. The kernel frees it when the last of them is gone, so it
neither goes stale nor lets a second portal in beside left-over processes.
"""

import fcntl
import os
import time
from pathlib import Path

# How long to wait for the processes of a killed supervisor to be gone.
LEFT_OVER_SECONDS = 15.0


class InUse(Exception):
    """Somebody else holds the lock: the process named by `holder`, as far as it is known."""

    def __init__(self, holder: str) -> None:
        super().__init__(f"locked by process {holder}")
        self.holder = holder


def prepare(path: Path) -> None:
    """Make the data folder, which nobody else may look into: it holds the keys to WhatsApp accounts."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)


def lock(path: Path) -> int:
    """Take the lock file at `path` for this process and its children.

    Returns the file descriptor to hand on. Raises InUse.
    """
    # Opened without truncating: the file names the other process.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LEFT_OVER_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode().strip()
            if _alive(holder) or time.monotonic() > deadline:
                os.close(descriptor)
                raise InUse(holder or "unknown") from None
            time.sleep(0.1)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _alive(pid: str) -> bool:
    """Whether a process of this number exists. Unknown counts as alive: it has just taken the lock."""
    try:
        os.kill(int(pid), 0)
    except (ValueError, PermissionError):
        return True
    except ProcessLookupError:
        return False
    return True
