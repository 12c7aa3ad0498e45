"""The one thread of a connector that writes incoming events into the database.

Batches make it fast. What is queued is in the journal as well, where a kill
does not reach it; a full queue holds the library up, which holds WhatsApp up.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path

from django.db import DatabaseError, OperationalError

from chats.intake import Taken, take_in
from instances.models import Instance
from instances.whatsapp import database
from instances.whatsapp.events import MessageArrived, Party, Stored
from instances.whatsapp.journal import Journal, LeftFile, Page, encode, left_behind
from instances.whatsapp.waiting import Waiting

log = logging.getLogger(__name__)

# So many messages come while the database is away, before WhatsApp is held up; or so many bytes of the journal, since
# a message may have megabytes.
QUEUE = 10_000
QUEUE_BYTES = 64 * 2**20
BATCH = 200
RETRY_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
# How often a batch that the database refuses is tried as it is.
SAME_AGAIN = 2
# And how often one for which there is no memory: half a minute.
SHORT_OF_MEMORY = 8


class Next(Enum):
    """What comes after a batch that could not be stored."""

    AGAIN = auto()
    WAIT = auto()
    REFUSE = auto()


class Ending(Exception):
    """The process ends; what is not stored stays in the journal."""


class Writer:
    """Takes events from any thread, in order for each instance."""

    def __init__(self, journal: Journal, on_taken: Callable[[Instance, Taken, bool], None]) -> None:
        self._queue: Waiting[tuple[Instance, Stored, Page]] = Waiting(QUEUE, QUEUE_BYTES)
        self._journal = journal
        self._on_taken = on_taken
        self._ending = threading.Event()
        # Two that take in at once for one instance would both make the same chat.
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def put(self, instance: Instance, event: Stored) -> None:
        """Hand an event over; when this returns a kill does not lose it. Waits while disk or queue are full."""
        event = _under_both_names(instance, event)
        line = encode(instance.uid, event)
        self._queue.put((instance, event, self._journal.note(line)), len(line))

    def write_now(self, instance: Instance, events: list[Stored], *, live: bool = True) -> bool:
        """Store a batch on the caller's thread, between the batches of the queue. `live` as of `take_in`.

        What is not live is on the disk already. False: it must stay there, since not all of it is stored.
        """
        pages = [self._journal.note(encode(instance.uid, event)) for event in events] if live else []
        written = self._write(instance, events, live)
        if written:
            self._journal.done(pages)
        return written

    @property
    def waiting(self) -> int:
        """How many events wait to be written."""
        return len(self._queue)

    def close(self) -> None:
        """Write what is still queued, and end; what the database does not take is for the next process."""
        self._ending.set()
        self._queue.close()
        self._thread.join()
        self._journal.close()

    def take_over(self, folder: Path) -> None:
        """Store what dead processes left in their journals there, file by file: memory may not hold all of it.

        Raises Ending, DatabaseError or OSError.
        """
        with left_behind(folder) as files:
            for file in files:
                self._take_over(file)
                file.forget()

    def _take_over(self, file: LeftFile) -> None:
        left = file.read()
        if left:
            log.warning("%d events of a process that was killed are stored now", len(left))
        instances = database.call(Instance.objects.in_bulk, {uid for uid, _ in left}, field_name="uid")
        left.sort(key=itemgetter(0))  # Stable: the order within an instance stays.
        for uid, pairs in groupby(left, key=itemgetter(0)):
            while (batch := [event for _, event in islice(pairs, BATCH)]) and uid in instances:
                if not self._write(instances[uid], batch):
                    raise Ending if self._ending.is_set() else OSError("what is refused cannot be kept aside")

    def _run(self) -> None:
        while items := self._queue.take(BATCH):
            items.sort(key=lambda item: item[0].pk)  # Stable: the order within an instance stays.
            for _, group in groupby(items, key=lambda item: item[0].pk):
                of_one = list(group)
                if self._write(of_one[-1][0], [event for _, event, _ in of_one]):
                    self._journal.done([page for _, _, page in of_one])

    def _write(self, instance: Instance, events: list[Stored], live: bool = True) -> bool:
        """Store a batch; if something in it cannot be stored, all the rest is, and it is kept aside.

        False: the process ends before, or the disk does not take what is to be kept aside.
        """
        for attempt in range(1_000_000):
            try:
                with self._turn:
                    taken = database.call(take_in, instance, events, live=live)
            except Exception as error:
                # Whatever it is: it must not end the thread.
                match self._next(error, attempt, len(events)):
                    case Next.REFUSE:
                        return self._refused(instance, events, live)
                    case Next.WAIT if self._wait_again(attempt, error):
                        return False
            else:
                self._tell(instance, taken, live)
                return True
        return False

    def _next(self, error: Exception, attempt: int, count: int) -> Next:
        """What to do about a batch that could not be stored."""
        if isinstance(error, OperationalError):
            return Next.WAIT
        if isinstance(error, MemoryError):
            # One for which it never suffices must not hold up all others for good.
            return Next.REFUSE if count > 1 or attempt >= SHORT_OF_MEMORY else Next.WAIT
        # Another process may have made the same chat at the same moment: then it works the next time.
        if attempt < SAME_AGAIN:
            return Next.AGAIN
        # While the database does not answer, it is no fault of the message's, whatever the error is called.
        return Next.REFUSE if self._answers() else Next.WAIT

    def _answers(self) -> bool:
        try:
            database.call(Instance.objects.exists)
        except DatabaseError:
            return False
        return True

    def _wait_again(self, attempt: int, error: Exception) -> bool:
        """Locked, full, gone, or no memory: nothing is lost by waiting, all by giving up. True: the process ends."""
        wait = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
        what = "there is no memory for messages" if isinstance(error, MemoryError) else "the database takes no messages"
        log.exception("%s; trying again in %s s", what, wait)
        return self._ending.wait(wait)

    def _refused(self, instance: Instance, events: list[Stored], live: bool) -> bool:
        if self._deleted(instance):
            return True
        if len(events) > 1:
            return self._one_by_one(instance, events, live)
        return self._give_up(instance, events[0])

    def _one_by_one(self, instance: Instance, events: list[Stored], live: bool) -> bool:
        return all([self._write(instance, [event], live) for event in events])

    def _deleted(self, instance: Instance) -> bool:
        """Whether the instance is gone, with all that was its own."""
        try:
            return not database.call(Instance.objects.filter(pk=instance.pk).exists)
        except DatabaseError:
            return False

    def _give_up(self, instance: Instance, event: Stored) -> bool:
        log.exception("an event cannot be stored: %s", type(event).__name__)
        try:
            self._journal.refuse(instance.uid, event)
        except OSError as error:
            log.error("nor can it be kept aside: it stays where it is for the next process: %s", error)
            return False
        return True

    def _tell(self, instance: Instance, taken: Taken, live: bool) -> None:
        try:
            self._on_taken(instance, taken, live)
        except Exception:
            log.exception("stored, but not told")


def _under_both_names(instance: Instance, event: Stored) -> Stored:
    """A message of our own by our number too: when it is stored, nobody may be linked any more, or somebody else."""
    if not isinstance(event, MessageArrived) or not event.from_me:
        return event
    if instance.jid and event.sender == Party(instance.lid):
        return replace(event, sender=Party(instance.lid, instance.jid))
    return event
