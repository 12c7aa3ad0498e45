"""The phone's history: kept first (`pieces`), then taken in bit by bit beside the live messages.

WhatsApp gives each piece once, and the library acknowledges it before we have
done anything with it. So it is written down before anything else, and goes when
all of its messages are stored: a kill in the middle costs a second reading, and
a message read twice is one row.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from itertools import islice

from django.db import DatabaseError
from django.utils import timezone

from instances.models import Instance
from instances.whatsapp import database, pieces
from instances.whatsapp.adapter import read_history
from instances.whatsapp.events import Party, of_a_group
from instances.whatsapp.pieces import Piece
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
        # A piece to be read, or instances whose pieces are to be looked for.
        self._queue: queue.Queue[tuple[Instance, Piece] | list[Instance] | None] = queue.Queue()
        self._queued: set[Piece] = set()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._thread.start()

    def keep(self, instance: Instance, payload: bytes) -> None:
        """Write a piece down and queue it; when this returns it can no longer be lost."""
        self._put(instance, pieces.keep(instance, payload))

    def resume(self, *instances: Instance) -> None:
        """Queue what an earlier process did not get through, and what a former owner wrote down meanwhile."""
        self._queue.put(list(instances))

    def close(self) -> None:
        """End after the batch under way; the rest is for the next process."""
        self._ending = True
        self._queue.put(None)
        self._thread.join()

    def _put(self, instance: Instance, piece: Piece) -> None:
        if piece not in self._queued:
            self._queued.add(piece)
            self._queue.put((instance, piece))

    def _run(self) -> None:
        while (item := self._queue.get()) is not None and not self._ending:
            if isinstance(item, list):
                self._look(item)
                continue
            instance, piece = item
            try:
                if self._take_in(instance, piece):
                    piece.forget()
            except Exception:
                log.exception("a piece of history of instance %s cannot be taken in; it is tried again", instance.uid)
            self._queued.discard(piece)

    def _look(self, instances: list[Instance]) -> None:
        try:
            for instance, piece in pieces.waiting(instances):
                self._put(instance, piece)
        except (DatabaseError, OSError):
            log.exception("what waits of the history is looked for again")

    def _take_in(self, instance: Instance, piece: Piece) -> bool:
        """Read one piece; False when it stays: the process ends before it is through, or nobody knows whose it is."""
        own = piece.own if piece.own.jid else Party(instance.jid, instance.lid)
        if not own.jid:
            # By now nobody is linked, or it is only being noted who is: it is looked for again.
            return False
        payload = piece.read()
        if payload is None:
            return True
        try:
            percent, events = read_history(payload, own)
        except ValueError:
            log.exception("a piece of history is damaged")
            piece.put_aside()
            return False
        wanted = (event for event in events if not (instance.ignore_groups and of_a_group(event)))
        while batch := list(islice(wanted, BATCH)):
            if self._ending:
                return False
            if not self._writer.write_now(instance, batch, live=False):
                return False
            time.sleep(PAUSE_SECONDS)
        # A phone's that was linked before says nothing of the present one's.
        if own.jid == instance.jid:
            self._note(instance, percent)
        return True

    def _note(self, instance: Instance, percent: int | None) -> None:
        # Not each piece says how far the phone is: then what was said before holds.
        new = {"history_at": timezone.now()} | ({} if percent is None else {"history_percent": min(percent, 100)})
        for name, value in new.items():
            setattr(instance, name, value)
        rows = Instance.objects.filter(pk=instance.pk, epoch=instance.epoch)
        database.call(rows.update, **new)
        self._on_progress(instance)
