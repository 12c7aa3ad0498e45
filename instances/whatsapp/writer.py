"""The one thread of a connector that writes incoming events into the database.

Batches make it fast. What is queued is in the journal as well, where a kill
does not reach it; a full queue holds the library up, which holds WhatsApp up.
"""

import logging
import queue
import threading
from collections.abc import Callable
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path

from django.db import DatabaseError, InterfaceError, OperationalError

from chats.intake import Taken, take_in
from instances.models import Instance
from instances.whatsapp import database
from instances.whatsapp.events import Stored
from instances.whatsapp.journal import Journal, Page, left_behind

log = logging.getLogger(__name__)

# So many messages come while the database is away, before WhatsApp is held up.
QUEUE = 10_000
BATCH = 200
RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
# How often a batch that the database refuses is tried as it is.
SAME_AGAIN = 2


class Ending(Exception):
    """The process ends; what is not stored stays in the journal."""


class Writer:
    """Takes events from any thread, in order for each instance."""

    def __init__(self, journal: Journal, on_taken: Callable[[Instance, Taken, bool], None]) -> None:
        self._queue: queue.Queue[tuple[Instance, Stored, Page] | None] = queue.Queue(QUEUE)
        self._journal = journal
        self._on_taken = on_taken
        self._ending = threading.Event()
        # Two that take in at once for one instance would both make the same chat.
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def put(self, instance: Instance, event: Stored) -> None:
        """Hand an event over; when this returns a kill does not lose it. Waits while disk or queue are full."""
        self._queue.put((instance, event, self._journal.note(instance.uid, event)))

    def write_now(self, instance: Instance, events: list[Stored], *, live: bool = True) -> None:
        """Store a batch on the caller's thread, between the batches of the queue. `live` as of `take_in`.

        What is not live is on the disk already.
        """
        pages = [self._journal.note(instance.uid, event) for event in events] if live else []
        if self._write(instance, events, live):
            self._journal.done(pages)

    @property
    def waiting(self) -> int:
        """How many events wait to be written."""
        return self._queue.qsize()

    def close(self) -> None:
        """Write what is still queued, and end; what the database does not take is for the next process."""
        self._ending.set()
        self._queue.put(None)
        self._thread.join()
        self._journal.close()

    def take_over(self, folder: Path) -> None:
        """Store what dead processes left in their journals there. Raises Ending."""
        with left_behind(folder) as left:
            if not left:
                return
            log.warning("%d events of a process that was killed are stored now", len(left))
            instances = Instance.objects.in_bulk({uid for uid, _ in left}, field_name="uid")
            for uid, pairs in groupby(left, key=itemgetter(0)):
                while (batch := [event for _, event in islice(pairs, BATCH)]) and uid in instances:
                    if not self._write(instances[uid], batch):
                        raise Ending

    def _run(self) -> None:
        while True:
            batch = [self._queue.get()]
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            items = [item for item in batch if item is not None]
            items.sort(key=lambda item: item[0].pk)  # Stable: the order within an instance stays.
            for _, group in groupby(items, key=lambda item: item[0].pk):
                of_one = list(group)
                if self._write(of_one[-1][0], [event for _, event, _ in of_one]):
                    self._journal.done([page for _, _, page in of_one])
            if None in batch:
                return

    def _write(self, instance: Instance, events: list[Stored], live: bool = True) -> bool:
        """Store a batch; if something in it cannot be stored, all the rest is. False: the process ends before."""
        for attempt in range(1_000_000):
            try:
                with self._turn:
                    taken = database.call(take_in, instance, events, live=live)
            except (OperationalError, InterfaceError):
                # Locked, full or gone: nothing is lost by waiting, all by giving up.
                wait = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
                log.exception("the database does not take messages; trying again in %s s", wait)
                if self._ending.wait(wait):
                    return False
            except (DatabaseError, ValueError, TypeError):
                # Another process may have made the same chat at the same moment: then it works the next time.
                if attempt < SAME_AGAIN:
                    continue
                if self._deleted(instance):
                    return True
                if len(events) > 1:
                    return all([self._write(instance, [event], live) for event in events])
                self._give_up(instance, events[0])
                return True
            else:
                self._tell(instance, taken, live)
                return True
        return False

    def _deleted(self, instance: Instance) -> bool:
        """Whether the instance is gone, with all that was its own."""
        try:
            return not database.call(Instance.objects.filter(pk=instance.pk).exists)
        except DatabaseError:
            return False

    def _give_up(self, instance: Instance, event: Stored) -> None:
        log.exception("an event cannot be stored: %s", type(event).__name__)
        self._journal.refuse(instance.uid, event)

    def _tell(self, instance: Instance, taken: Taken, live: bool) -> None:
        try:
            self._on_taken(instance, taken, live)
        except Exception:
            log.exception("stored, but not told")
