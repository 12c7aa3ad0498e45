"""What a connector has taken from the library and not yet stored: on the disk, so that a kill loses none of it.

An event is written here before anything else is done with it, and goes when it
is in the database. A process that finds another's journal stores what is in
it; an event stored twice is one row. The files are appended to and never
rewritten: a kill damages at most the last line, whose message WhatsApp has not
been told that we have (`custody`).
"""

import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder

from instances.whatsapp.events import GroupChanged, MessageArrived, Party, PersonKnown, Stored, Target

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

    def append(self, line: bytes) -> None:
        """Write a whole line or nothing. Raises OSError."""
        try:
            written = os.write(self._file, line)
            if written < len(line):
                raise OSError(f"{written} of {len(line)} bytes were written: the disk is full")
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self.size += len(line)

    def empty(self) -> None:
        """All of it is stored."""
        os.ftruncate(self._file, 0)
        self.size = 0

    def close(self) -> None:
        """Let it go; it is deleted unless something in it is not stored."""
        if not self.open:
            self.path.unlink(missing_ok=True)
        os.close(self._file)


class Journal:
    """One process's. Callable from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._page: Page | None = None
        self.troubled = ""

    def note(self, uid: UUID, event: Stored) -> Page:
        """Put an event on the disk; returns what `done` wants to hear of. Waits while the disk takes nothing."""
        line = encode(uid, event)
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
                if page is self._page:
                    page.empty()
                else:
                    page.close()

    def refuse(self, uid: UUID, event: Stored) -> None:
        """Keep what the database refuses, for a person to look at."""
        with suppress(OSError), open(self._folder / "refused", "ab", opener=_private) as file:
            file.write(encode(uid, event))

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


@contextmanager
def left_behind(folder: Path) -> Iterator[list[tuple[UUID, Stored]]]:
    """What dead processes noted, oldest first; their files go when the block ends well."""
    found: list[tuple[UUID, Stored]] = []
    files: list[tuple[Path, int]] = []
    try:
        for path in sorted(folder.glob("*.journal")):
            file = os.open(path, os.O_RDWR)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # A living process's.
                os.close(file)
                continue
            files.append((path, file))
            found.extend(_read(path))
        yield found
        for path, _ in files:
            path.unlink(missing_ok=True)
    finally:
        for _, file in files:
            os.close(file)


def _read(path: Path) -> Iterator[tuple[UUID, Stored]]:
    for line in path.read_bytes().splitlines():
        try:
            yield decode(line)
        except (ValueError, TypeError, KeyError):
            log.warning("a line of %s cannot be read: its message comes again", path.name)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


# --- Lines -------------------------------------------------------------------

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (MessageArrived, GroupChanged, PersonKnown)}


def encode(uid: UUID, event: Stored) -> bytes:
    """One line."""
    fields = {"uid": uid.hex, "is": type(event).__name__, **asdict(event)}
    return json.dumps(fields, cls=_Exact).encode() + b"\n"


def decode(line: bytes) -> tuple[UUID, Stored]:
    """What `encode` wrote. Raises ValueError, TypeError or KeyError."""
    fields: dict[str, Any] = json.loads(line)
    uid, kind = UUID(fields.pop("uid")), _KINDS[fields.pop("is")]
    for name, value in fields.items():
        if name in ("chat", "sender", "actor", "person") and value is not None:
            fields[name] = Party(**value)
        elif name == "people":
            fields[name] = tuple(Party(**one) for one in value)
        elif name == "admins" and value is not None:
            fields[name] = tuple(value)
        elif name == "target" and value is not None:
            fields[name] = Target(**value)
        elif name in ("sent_at", "at"):
            fields[name] = datetime.fromisoformat(value)
    return uid, kind(**fields)


class _Exact(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        # Django's own leaves microseconds out.
        return o.isoformat() if isinstance(o, datetime) else super().default(o)
