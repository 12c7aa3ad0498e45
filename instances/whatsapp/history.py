"""The phone's history: kept on disk first, then taken in bit by bit beside the live messages.

WhatsApp gives each piece once, and the library acknowledges it before we have
done anything with it. So it goes to a file before anything else, and the file
goes when all of it is in the database: a kill in the middle costs a second
reading, and a message read twice is one row.
"""

import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from instances.models import Instance
from instances.whatsapp import database
from instances.whatsapp.adapter import read_history
from instances.whatsapp.events import Party, of_a_group
from instances.whatsapp.writer import Writer

log = logging.getLogger(__name__)

BATCH = 500
# Live messages wait for no more than one batch of the past; between two there
# is room for everybody else who writes.
PAUSE_SECONDS = 0.005


class History:
    """One thread of a connector that reads pieces of history, oldest first."""

    def __init__(self, writer: Writer, on_progress: Callable[[Instance], None]) -> None:
        self._writer = writer
        self._on_progress = on_progress
        self._queue: queue.Queue[tuple[Instance, Path] | None] = queue.Queue()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._thread.start()

    def keep(self, instance: Instance, payload: bytes) -> None:
        """Put a piece on the disk and in the queue; when this returns it can no longer be lost."""
        path = folder(instance.uid) / f"{time.time_ns():020}.history"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_suffix(".part")
        with open(draft, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        self._queue.put((instance, path))

    def resume(self, instance: Instance) -> None:
        """Queue what an earlier process did not get through."""
        for path in sorted(folder(instance.uid).glob("*.history")):
            self._queue.put((instance, path))

    def close(self) -> None:
        """End after the batch under way; the rest is for the next process."""
        self._ending = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None and not self._ending:
            instance, path = item
            try:
                if self._take_in(instance, path):
                    path.unlink(missing_ok=True)
            except Exception:
                log.exception("a piece of history cannot be taken in; it stays in %s", path.name)

    def _take_in(self, instance: Instance, path: Path) -> bool:
        """Read one piece; False when the process ends before it is through."""
        if not path.exists():
            return True
        try:
            percent, events = read_history(path.read_bytes(), Party(instance.jid, instance.lid))
        except ValueError:
            log.exception("a piece of history is damaged")
            path.rename(path.with_suffix(".damaged"))
            return False
        wanted = (event for event in events if not (instance.ignore_groups and of_a_group(event)))
        while batch := list(islice(wanted, BATCH)):
            if self._ending:
                return False
            self._writer.write_now(instance, batch, live=False)
            time.sleep(PAUSE_SECONDS)
        self._note(instance, percent)
        return True

    def _note(self, instance: Instance, percent: int) -> None:
        instance.history_percent, instance.history_at = min(percent, 100), timezone.now()
        rows = Instance.objects.filter(pk=instance.pk, epoch=instance.epoch)
        database.call(rows.update, history_percent=instance.history_percent, history_at=instance.history_at)
        self._on_progress(instance)


def folder(uid: UUID) -> Path:
    """Where an instance's pieces wait."""
    data: Path = settings.DATA_DIR
    return data / "history" / uid.hex
