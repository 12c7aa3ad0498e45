"""The one thread of a connector that notes how far sent messages have come.

Receipts come on a thread that reads the socket and must not wait: they are kept
in memory, and written some at a time. A kill loses those not written yet; the
next receipt for the same message mends that, else a message shows one tick too few.

A contact's client chooses what stands in a receipt, and how many there are. So
one that the database refuses keeps no other one from being noted, and those
about messages that nobody has have a place of their own, and not for long.
"""

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db import OperationalError

from chats import delivery, news
from instances.models import Instance
from instances.whatsapp import database
from instances.whatsapp.events import Receipt

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.05
# While the database is away.
RETRY_SECONDS = 1.0
# A receipt may overtake the writing of its message by so much.
WAIT_SECONDS = 30.0
# Hence the database is asked for it again after so many seconds, then after twice as many, and so on.
AGAIN_SECONDS = 0.5
LOOK_SECONDS = 0.25
# Receipts of more messages than these are not kept while the database is away: the oldest are let go.
MOST = 20_000
# Nor of more that are not there.
MOST_STRANGERS = 20_000


@dataclass(slots=True)
class _Kept:
    """A receipt, or what is left of it."""

    instance: Instance
    receipt: Receipt
    # Not tried any more after this: it is about a message of another program of this account, say.
    limit: float
    # Not tried before this.
    due: float = 0.0
    tries: int = 0
    # The database did not take it: not to be written with others.
    refused: bool = False


class _Shelf:
    """Receipts in their order, of so many messages at most."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: deque[_Kept] = deque()
        self._messages = 0
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._kept)

    def put(self, some: Iterable[_Kept], *, in_front: bool = False) -> None:
        """Keep these too, behind the others or, in their order, before them."""
        with self._lock:
            for one in reversed(list(some)) if in_front else some:
                self._messages += len(one.receipt.message_ids)
                (self._kept.appendleft if in_front else self._kept.append)(one)
            while self._messages > self._most and len(self._kept) > 1:
                self._messages -= len(self._kept.popleft().receipt.message_ids)

    def take(self, wanted: Callable[[_Kept], bool] = lambda _: True) -> list[_Kept]:
        """Those that are wanted now, which are no longer here then."""
        with self._lock:
            taken: list[_Kept] = []
            stay: deque[_Kept] = deque()
            for one in self._kept:
                if wanted(one):
                    taken.append(one)
                else:
                    stay.append(one)
            self._kept = stay
            self._messages -= sum(len(one.receipt.message_ids) for one in taken)
        return taken


class Ticks:
    """Takes receipts from any thread, without waiting."""

    def __init__(self) -> None:
        self._new = _Shelf(MOST)
        # Those that the database has been asked about in vain.
        self._strangers = _Shelf(MOST_STRANGERS)
        self._look_at = 0.0
        self._some = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticks", daemon=True)
        self._thread.start()

    def put(self, instance: Instance, receipt: Receipt) -> None:
        """Hand a receipt over."""
        self._new.put([_Kept(instance, receipt, time.monotonic() + WAIT_SECONDS)])
        self._some.set()

    def close(self) -> None:
        """Write what can be written, and end."""
        self._ending.set()
        self._some.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._some.wait(LOOK_SECONDS if self._strangers else None)
            self._ending.wait(GATHER_SECONDS)
            self._some.clear()
            if not self._write() and not self._ending.wait(RETRY_SECONDS):
                self._some.set()

    def _write(self) -> bool:
        """Write what is kept, as far as it is due; False when the database is away."""
        batches: dict[tuple[int, int], list[_Kept]] = defaultdict(list)
        for one in self._new.take() + self._due_strangers():
            batches[one.instance.pk, id(one) if one.refused else 0].append(one)
        # Of all, not until the first one is not taken: it may be that instance's row alone that somebody holds.
        return all([self._note(batch) for batch in batches.values()])

    def _due_strangers(self) -> list[_Kept]:
        now = time.monotonic()
        if now < self._look_at:
            return []
        self._look_at = now + LOOK_SECONDS
        return self._strangers.take(lambda one: one.due <= now)

    def _note(self, batch: list[_Kept]) -> bool:
        """Write an instance's; False when the database is away."""
        instance = batch[-1].instance
        try:
            told = database.call(delivery.advance, instance, [one.receipt for one in batch])
        except OperationalError:
            log.exception("receipts are not noted yet")
            self._new.put(batch, in_front=True)
            return False
        except Exception as error:
            # Whatever it is: it must not end the thread, nor keep the others of the batch from being noted.
            if len(batch) > 1:
                half = len(batch) // 2
                return all([self._note(batch[:half]), self._note(batch[half:])])
            log.warning("instance %s: a receipt is not taken: %s", instance.uid, type(error).__name__)
            batch[0].refused = True
            self._try_later(batch[0], batch[0].receipt)
            return True
        known = {one.receipt: one for one in batch}
        for left, whole in told.strangers:
            self._try_later(known[whole], left)
        self._tell(instance, told)
        return True

    def _try_later(self, kept: _Kept, left: Receipt) -> None:
        """Try what is `left` of it once more, unless it was tried for long enough."""
        now = time.monotonic()
        if now >= kept.limit:
            return
        due = min(now + AGAIN_SECONDS * 2**kept.tries, kept.limit)
        again = _Kept(kept.instance, left, kept.limit, due, kept.tries + 1, kept.refused)
        self._strangers.put([again])

    def _tell(self, instance: Instance, told: delivery.Told) -> None:
        if not told.changed and not told.events:
            return
        try:
            news.status_changed(instance.uid, told.changed, told.events)
        except Exception:
            log.exception("noted, but not told")
