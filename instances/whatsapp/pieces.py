"""Where pieces of history wait: in the database when connectors share their keys, for whoever takes over.

Else on this connector's disk, beside the keys; and there as well while the
database does not take one. WhatsApp gives each piece once.
"""

import fcntl
import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from django.conf import settings

from instances.models import HistoryPiece, Instance
from instances.whatsapp import database
from instances.whatsapp.events import Party

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece that waits: a file's path or a row's key."""

    place: Path | int
    # Who was linked when it came: its own messages are theirs, whoever is linked when it is read. Empty: not known.
    own: Party = field(default=Party(""), compare=False)

    def read(self) -> bytes | None:
        """What it holds; None when it was taken in meanwhile."""
        if isinstance(self.place, Path):
            return self.place.read_bytes() if self.place.exists() else None
        rows = HistoryPiece.objects.filter(pk=self.place, damaged=False)
        payload = database.call(rows.values_list("payload", flat=True).first)
        return None if payload is None else bytes(payload)

    def forget(self) -> None:
        """All of it is stored."""
        if isinstance(self.place, Path):
            self.place.unlink(missing_ok=True)
        else:
            database.call(HistoryPiece.objects.filter(pk=self.place).delete)

    def put_aside(self) -> None:
        """It cannot be read: kept for people, and not tried again."""
        if isinstance(self.place, Path):
            self.place.rename(self.place.with_suffix(".damaged"))
        else:
            database.call(HistoryPiece.objects.filter(pk=self.place).update, damaged=True)


def keep(instance: Instance, payload: bytes) -> Piece:
    """Write a piece down; when this returns it can no longer be lost. Waits while nothing takes it."""
    troubled = False
    while True:
        try:
            piece = _put_down(instance, payload)
        except OSError as error:
            if not troubled:
                log.error("a piece of history cannot be written, and waits: %s", error)
            troubled = True
            time.sleep(RETRY_SECONDS)
        else:
            if troubled:
                log.warning("the piece of history that waited is written")
            return piece


def waiting(instances: Iterable[Instance]) -> Iterator[tuple[Instance, Piece]]:
    """What earlier processes did not get through, the oldest first. Raises DatabaseError."""
    by_key = {instance.pk: instance for instance in instances}
    for instance in by_key.values():
        _adopt(folder(instance.uid))
        for path in sorted(folder(instance.uid).glob("*.history")):
            yield instance, Piece(path, _own_in(path))
    rows = HistoryPiece.objects.filter(instance__in=list(by_key), damaged=False).order_by("pk")
    for pk, owner, jid, lid in database.call(list, rows.values_list("pk", "instance", "own_jid", "own_lid")):
        yield by_key[owner], Piece(pk, Party(jid, lid))


def folder(uid: UUID) -> Path:
    """Where an instance's pieces wait on this disk."""
    data: Path = settings.DATA_DIR
    return data / "history" / uid.hex


def _put_down(instance: Instance, payload: bytes) -> Piece:
    own = Party(instance.jid, instance.lid)
    if settings.SESSION_DATABASE_URL:
        row = {"instance": instance, "payload": payload, "own_jid": own.jid, "own_lid": own.alt}
        try:
            return Piece(database.call(HistoryPiece.objects.create, **row).pk, own)
        except Exception:
            log.exception("the database does not take a piece of history; it goes to the disk")
    return Piece(_write(instance.uid, own, payload), own)


def _own_in(path: Path) -> Party:
    """Who was linked, by the file's name; empty where an earlier version wrote it, or nobody was yet."""
    names = path.stem.split(",")
    return Party(names[1], names[2]) if len(names) == 3 else Party("")


def _write(uid: UUID, own: Party, payload: bytes) -> Path:
    """Raises OSError, and leaves nothing half written."""
    names = f",{own.jid},{own.alt}" if own.jid else ""
    path = folder(uid) / f"{time.time_ns():020}{names}.history"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(".part")
    try:
        with open(draft, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            # A draft that nobody has locked is a dead process's.
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
            draft.rename(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise
    return path


def _adopt(place: Path) -> None:
    """What a process was killed over may be whole; if it is torn, its reader puts it aside."""
    for draft in place.glob("*.part"):
        # Somebody still writes it, or was quicker; or the disk takes nothing, and it waits.
        with suppress(OSError), open(draft, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_size:
                draft.rename(draft.with_suffix(".history"))
            else:
                draft.unlink()
