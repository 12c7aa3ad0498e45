"""The one thread of a connector that writes incoming events into the database.

Batches make it fast; the short queue keeps what a kill could lose small, and
holds the library up (which holds WhatsApp up) while the database is away.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from itertools import groupby

from django.db import DatabaseError, InterfaceError, OperationalError

from chats.intake import Taken, take_in
from instances.models import Instance
from instances.whatsapp import database
from instances.whatsapp.events import Stored

log = logging.getLogger(__name__)

QUEUE = 200
RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)


class Writer:
    """Takes events from any thread, in order for each instance."""

    def __init__(self, on_taken: Callable[[Instance, Taken, bool], None]) -> None:
        self._queue: queue.Queue[tuple[Instance, Stored] | None] = queue.Queue(QUEUE)
        self._on_taken = on_taken
        # Two that take in at once for one instance would both make the same chat.
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def put(self, instance: Instance, event: Stored) -> None:
        """Hand an event over; waits while the queue is full."""
        self._queue.put((instance, event))

    def write_now(self, instance: Instance, events: list[Stored], *, live: bool = True) -> None:
        """Store a batch on the caller's thread, between the batches of the queue. `live` as of `take_in`."""
        self._write(instance, events, live)

    @property
    def waiting(self) -> int:
        """How many events wait to be written."""
        return self._queue.qsize()

    def close(self) -> None:
        """Write what is still queued, and end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            batch = [self._queue.get()]
            while len(batch) < QUEUE and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            ending = None in batch
            items = [item for item in batch if item is not None]
            items.sort(key=lambda item: item[0].pk)  # Stable: the order within an instance stays.
            for _, group in groupby(items, key=lambda item: item[0].pk):
                pairs = list(group)
                self._write(pairs[-1][0], [event for _, event in pairs])
            if ending:
                return

    def _write(self, instance: Instance, events: list[Stored], live: bool = True) -> None:
        """Store a batch; if something in it cannot be stored, all the rest is."""
        for attempt in range(1_000_000):
            try:
                with self._turn:
                    taken = database.call(take_in, instance, events, live=live)
            except (OperationalError, InterfaceError):
                # Locked, full or gone: nothing is lost by waiting, all by giving up.
                wait = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
                log.exception("the database does not take messages; trying again in %s s", wait)
                time.sleep(wait)
            except (DatabaseError, ValueError, TypeError):
                if not database.call(Instance.objects.filter(pk=instance.pk).exists):
                    return  # Deleted meanwhile, with all that is its own.
                self._write_singly(instance, events, live)
                return
            else:
                self._tell(instance, taken, live)
                return

    def _write_singly(self, instance: Instance, events: list[Stored], live: bool) -> None:
        if len(events) == 1:
            log.exception("an event cannot be stored: %s", type(events[0]).__name__)
            return
        for event in events:
            self._write(instance, [event], live)

    def _tell(self, instance: Instance, taken: Taken, live: bool) -> None:
        try:
            self._on_taken(instance, taken, live)
        except Exception:
            log.exception("stored, but not told")
