"""A connector's name, which one process of a data folder has at a time; and which run it was that had it before.

Whoever holds the lock knows that the former run is dead, and may take its
instances up at once (`instances.leases`).
"""

import fcntl
import hashlib
import logging
from contextlib import suppress
from typing import IO
from uuid import UUID

from django.conf import settings

log = logging.getLogger(__name__)


class AlreadyRunning(Exception):
    """Another connector of this name runs on this data folder."""


def take(name: str) -> IO[str]:
    """Make sure that no other process of this name runs here; the lock goes with the process. Raises AlreadyRunning."""
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings.SESSION_DIR.mkdir(exist_ok=True, mode=0o700)
    # A name may hold anything, a file's may not.
    path = settings.DATA_DIR / f"connector-{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock"
    lock = open(path, "a+")  # noqa: SIM115  # held for life
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise AlreadyRunning(
            "A connector of this name already runs on this data folder. Stop it first, "
            "or give this one another name with CONNECTOR_NAME."
        ) from error
    return lock


def former_run(lock: IO[str]) -> UUID | None:
    """The run that held the lock before us, and hence is dead."""
    lock.seek(0)
    with suppress(ValueError):
        return UUID(lock.read().strip())
    return None


def note_run(lock: IO[str], run: UUID) -> None:
    """For whoever is called so next; without it, that one waits until we have been silent for a lease."""
    try:
        lock.seek(0)
        lock.truncate()
        lock.write(run.hex)
        lock.flush()
    except OSError as error:
        log.warning("which run this is could not be noted: %s", error)
