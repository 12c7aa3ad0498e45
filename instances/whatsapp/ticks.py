"""The one thread of a connector that notes how far sent messages have come.

Receipts come on a thread that reads the socket and must not wait: they are kept
in memory, and written some at a time. A kill loses those not written yet; the
next receipt for the same message mends that, else a message shows one tick too few.
"""

import logging
import threading
import time
from collections import defaultdict, deque

from django.db import DatabaseError

from chats import delivery, news
from instances.models import Instance
from instances.whatsapp import database
from instances.whatsapp.events import Receipt

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.05
RETRY_SECONDS = 1.0
# A receipt may overtake the writing of its message by so much.
WAIT_SECONDS = 30.0
# More than these are not kept while the database is away: the oldest are let go.
MOST = 20_000


class Ticks:
    """Takes receipts from any thread, without waiting."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, Instance, Receipt]] = deque(maxlen=MOST)
        self._some = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticks", daemon=True)
        self._thread.start()

    def put(self, instance: Instance, receipt: Receipt) -> None:
        """Hand a receipt over."""
        self._kept.append((time.monotonic() + WAIT_SECONDS, instance, receipt))
        self._some.set()

    def close(self) -> None:
        """Write what can be written, and end."""
        self._ending.set()
        self._some.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._some.wait()
            self._ending.wait(GATHER_SECONDS)
            self._some.clear()
            if self._write() and not self._ending.wait(RETRY_SECONDS):
                self._some.set()

    def _write(self) -> bool:
        """Write what is kept; whether anything has to be tried again."""
        by_instance: dict[int, list[tuple[float, Instance, Receipt]]] = defaultdict(list)
        while self._kept:
            one = self._kept.popleft()
            by_instance[one[1].pk].append(one)
        again: list[tuple[float, Instance, Receipt]] = []
        for batch in by_instance.values():
            instance = batch[-1][1]
            try:
                told = database.call(delivery.advance, instance, [receipt for _, _, receipt in batch])
            except DatabaseError:
                log.exception("receipts are not noted yet")
                again.extend(batch)
                continue
            if told.changed or told.events:
                news.status_changed(instance.uid, told.changed, told.events)
            # One for a message of another program of this account, say, is never at home.
            limits = {receipt: limit for limit, _, receipt in batch}
            now = time.monotonic()
            for receipt, was in told.strangers:
                if limits[was] > now:
                    again.append((limits[was], instance, receipt))
        self._kept.extendleft(reversed(again))
        return bool(again)
