"""What a connector has taken from the library and not yet stored: on the disk, so that a kill loses none of it.

An event is written here before anything else is done with it, and goes when it
is in the database. A process that finds another's journal stores what is in
it; an event stored twice is one row. The files are appended to and never
rewritten: a kill damages at most the last line, whose message WhatsApp has not
been told that we have (`custody`). A whole line that this version cannot read,
or not all of it, is kept aside for a person, beside what the database refuses.
"""

import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder

from instances.whatsapp.events import GroupChanged, MessageArrived, Party, PersonKnown, PinSettled, Stored, Target

log = logging.getLogger(__name__)

# A file that has grown so far is followed by another, and deleted when all of it is stored.
FILE_BYTES = 4 * 2**20
RETRY_SECONDS = 1.0


class Page:
    """One file of a journal, and how much of it is not stored yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open = 0
        self.size = 0
        self.full = False
        self._file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        # A file that nobody has locked is a dead process's.
        fcntl.flock(self._file, fcntl.LOCK_EX)
        if not os.fstat(self._file).st_nlink:
            os.close(self._file)
            raise OSError("somebody was quicker than our lock, and took the file for a dead process's")

    def append(self, line: bytes) -> None:
        """Write a whole line or nothing. Raises OSError."""
        _append(self._file, line, self.size)
        self.size += len(line)

    def empty(self) -> None:
        """All of it is stored."""
        os.ftruncate(self._file, 0)
        self.size = 0

    def close(self) -> None:
        """Let it go; it is deleted unless something in it is not stored."""
        try:
            if not self.open:
                self.path.unlink(missing_ok=True)
        finally:
            os.close(self._file)


class Journal:
    """One process's. Callable from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._page: Page | None = None
        self.troubled = ""

    def note(self, line: bytes) -> Page:
        """Put an event's line on the disk; returns what `done` wants to hear of. Waits while the disk takes nothing."""
        while True:
            try:
                with self._lock:
                    page = self._current()
                    page.append(line)
                    page.open += 1
            except OSError as error:
                if not self.troubled:
                    log.error("the journal cannot be written, and messages wait at WhatsApp: %s", error)
                self.troubled = str(error)
                time.sleep(RETRY_SECONDS)
            else:
                if self.troubled:
                    self.troubled = ""
                    log.warning("the journal is written again")
                return page

    def done(self, pages: list[Page]) -> None:
        """The events noted there, one an entry of the list, are stored."""
        with self._lock:
            for page in pages:
                page.open -= 1
                if page.open:
                    continue
                try:
                    if page is self._page:
                        page.empty()
                    else:
                        page.close()
                except OSError as error:
                    # Read once more by the next process, it is the same rows. Whoever calls has stored it, and goes on.
                    log.error("the journal keeps what is stored: %s", error)

    def refuse(self, uid: UUID, event: Stored) -> None:
        """Keep what the database refuses, for a person to look at. Raises OSError."""
        _keep_aside(self._folder, encode(uid, event))

    def close(self) -> None:
        """Nothing more comes."""
        with self._lock:
            if self._page is not None:
                self._page.close()
            self._page = None

    def _current(self) -> Page:
        if self._page is None or self._page.size > FILE_BYTES:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            full, self._page = self._page, Page(self._folder / f"{time.time_ns():020}-{os.getpid()}.journal")
            if full is not None and not full.open:
                full.close()
        return self._page


def place() -> Path:
    """Where the journals of this machine's connectors lie."""
    data: Path = settings.DATA_DIR
    return data / "journal"


class LeftFile:
    """A dead process's journal. It is locked, so that nobody else stores it as well."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._aside: list[bytes] = []
        self._file = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise

    def read(self) -> list[tuple[UUID, Stored]]:
        """What it says, oldest first."""
        *lines, torn = self._path.read_bytes().split(b"\n")
        if torn:
            log.warning("the last line of %s was cut off: its message comes again", self._path.name)
        self._aside.clear()
        return [event for line in lines for event in self._understood(line)]

    def _understood(self, line: bytes) -> Iterator[tuple[UUID, Stored]]:
        """An event, if the line says one; as much of it as this version knows."""
        try:
            yield decode(line)
        except Exception:
            self._aside.append(line + b"\n")
            with suppress(Exception):
                yield decode(line, strict=False)

    def forget(self) -> None:
        """All of it is stored: what could not be read is kept aside, and the file goes. Raises OSError."""
        if self._aside:
            log.error("%d lines of %s are not this version's: they are kept aside", len(self._aside), self._path.name)
            _keep_aside(self._path.parent, b"".join(self._aside))
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let it go, as it is."""
        os.close(self._file)


@contextmanager
def left_behind(folder: Path) -> Iterator[list[LeftFile]]:
    """What dead processes left there, oldest first. All of it is ours from here on, so that its order stays."""
    found: list[LeftFile] = []
    try:
        for path in sorted(folder.glob("*.journal")):
            with suppress(BlockingIOError, FileNotFoundError):  # A living process's; or somebody was quicker.
                found.append(LeftFile(path))
        yield found
    finally:
        for file in found:
            file.close()


def _append(file: int, content: bytes, size: int) -> None:
    """Write all of it or nothing behind the `size` bytes that are there. Raises OSError."""
    try:
        written = os.write(file, content)
        if written < len(content):
            raise OSError(f"{written} of {len(content)} bytes were written: the disk is full")
    except OSError:
        os.ftruncate(file, size)
        raise


def _keep_aside(folder: Path, lines: bytes) -> None:
    """Lines for a person to look at. Raises OSError."""
    with open(folder / "refused", "ab", buffering=0, opener=_private) as file:
        _append(file.fileno(), lines, os.fstat(file.fileno()).st_size)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


# --- Lines -------------------------------------------------------------------

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (MessageArrived, GroupChanged, PersonKnown, PinSettled)}


def encode(uid: UUID, event: Stored) -> bytes:
    """One line."""
    values = {"uid": uid.hex, "is": type(event).__name__, **asdict(event)}
    return json.dumps(values, cls=_Exact).encode() + b"\n"


def decode(line: bytes, *, strict: bool = True) -> tuple[UUID, Stored]:
    """What `encode` wrote. Raises whatever is wrong with it; not `strict`: fields of a newer version are left out."""
    values: dict[str, Any] = json.loads(line)
    uid, kind = UUID(values.pop("uid")), _KINDS[values.pop("is")]
    make = _exactly if strict else _known
    for name, value in values.items():
        if name in ("chat", "sender", "actor", "person") and value is not None:
            values[name] = make(Party, value)
        elif name == "people":
            values[name] = tuple(make(Party, one) for one in value)
        elif name == "admins" and value is not None:
            values[name] = tuple(value)
        elif name == "target" and value is not None:
            values[name] = make(Target, value)
        elif name in ("sent_at", "at") and value is not None:
            values[name] = datetime.fromisoformat(value)
    return uid, make(kind, values)


def _exactly(kind: type[Any], values: dict[str, Any]) -> Any:
    return kind(**values)


def _known(kind: type[Any], values: dict[str, Any]) -> Any:
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in values.items() if name in names})


class _Exact(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        # Django's own leaves microseconds out.
        return o.isoformat() if isinstance(o, datetime) else super().default(o)
