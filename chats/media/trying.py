"""Marks beside the files that are being fetched: what ended a connector is not tried again at once.

The library reads a file into memory whole, whatever its sender said of its
length. One that is larger than what the connector may have ends it without a
word, with all its instances; each further click would do so again. A mark is
flock(2)ed by the process that fetches: one whose lock can be had was left by a
process that is gone. It counts for a day, since another fault, or a kill, may
have come at that moment.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from instances.whatsapp.errors import MediaTooHeavy

PREFIX = ".trying-"
SECONDS = 86_400

# This process's own.
_held: set[Path] = set()


@contextmanager
def marked(path: Path) -> Iterator[None]:
    """While the file that will stand at `path` is fetched. Raises MediaTooHeavy when that ended a process."""
    mark = path.with_name(PREFIX + path.name)
    if _left_behind(mark):
        raise MediaTooHeavy
    mark.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(mark, os.O_RDONLY | os.O_CREAT, 0o600)
    ours = _locked(descriptor)
    try:
        # Else it is that of somebody who fetches the same, and ends with them.
        if ours:
            os.utime(mark)
            _held.add(mark)
        yield
    finally:
        if ours:
            _remove(mark)
        os.close(descriptor)


def let_go() -> None:
    """Before this process ends in order: remove its marks."""
    for mark in list(_held):
        _remove(mark)


def forget_old(folder: Path) -> None:
    """Remove the marks in a folder that do not count any more."""
    for mark in folder.glob(f"{PREFIX}*"):
        if not _counts(mark) and not _alive(mark):
            mark.unlink(missing_ok=True)


def _left_behind(mark: Path) -> bool:
    return _counts(mark) and not _alive(mark)


def _counts(mark: Path) -> bool:
    with suppress(FileNotFoundError):
        # Also when the clock has been set back.
        return abs(time.time() - mark.stat().st_mtime) < SECONDS
    return False


def _alive(mark: Path) -> bool:
    """Whether a process that lives has it."""
    try:
        descriptor = os.open(mark, os.O_RDONLY)
    except FileNotFoundError:
        return True  # It has come to its end this very moment.
    free = _locked(descriptor)
    os.close(descriptor)
    return not free


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove(mark: Path) -> None:
    _held.discard(mark)
    mark.unlink(missing_ok=True)
