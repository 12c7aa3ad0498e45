"""What a backup writes on its way: gone with its end, and cleared by the next one if its process was killed.

Whoever works with a draft holds flock(2) on it, which ends with the process
however that ends. So a draft whose lock can be had is nobody's.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

FOLDER = ".backup-"
FILE = ".backup-part"


@contextmanager
def folder(parent: Path) -> Iterator[Path]:
    """A folder in `parent`, which is the portal's own, that only we may look into."""
    clear(parent)
    while True:
        path = Path(tempfile.mkdtemp(prefix=FOLDER, dir=parent))
        with _opened(path) as descriptor:
            if not _hold(descriptor, path):
                continue
            try:
                yield path
            finally:
                shutil.rmtree(path, ignore_errors=True)
            return


@contextmanager
def file(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A file beside `target` that only we may read, open for writing. Raises OSError."""
    # Others keep things in that folder, too: what is not named so is not ours.
    _clear(target.parent.glob(f".*{FILE}"))
    while True:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=FILE, dir=target.parent)
        with open(descriptor, "wb") as out:
            if not _hold(descriptor, Path(name)):
                continue
            try:
                yield Path(name), out
            finally:
                Path(name).unlink(missing_ok=True)
            return


def clear(parent: Path) -> None:
    """Remove the folders of processes that are dead."""
    _clear(parent.glob(f"{FOLDER}*"))


def _clear(found: Iterable[Path]) -> None:
    for path in found:
        # Somebody's, or gone meanwhile; or on a disk that knows no locks, where nobody can tell.
        with suppress(OSError), _opened(path) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _hold(descriptor: int, path: Path) -> bool:
    """Lock it; False if somebody took it for a dead one's before we could, and cleared it."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return path.exists()


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
