"""The machine's clock, which somebody may set: how it is noticed, and what waits until it can be believed again.

What must not be wrong by a moved clock counts on `steady` instead: leases,
waits, deadlines. Times that are stored can only be this clock's. So what ends
or forgets something because its time has come waits for a while after the
clock has leapt ahead, in which a person or NTP may put it right; and a stored
time that is further ahead than it can be was written by a clock that was
wrong, and holds nothing up (`passed`). docs/clocks.md tells people of it.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db.models import Q

log = logging.getLogger(__name__)

# What is no leap: clocks that are put right bit by bit, and those of several machines, which differ.
LEAP = timedelta(minutes=1)
SLACK = timedelta(hours=1)
# How long after a leap ahead waits what comes back when the clock is put right, and what does not.
A_WHILE = timedelta(minutes=15)
A_DAY = timedelta(days=1)


def steady() -> float:
    """Seconds on a clock that nobody sets; it runs on while the machine sleeps, where the system has such a one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Watch:
    """Notices leaps, whenever it is asked; from any thread."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = steady) -> None:
        self._wall, self._steady = wall, steady
        self._lock = threading.Lock()
        # How far the clock is ahead of the steady one; and was before it first leapt within the last day, and when.
        self._apart = self._before = wall() - steady()
        self._first_at: float | None = None
        # Since when it is further ahead than before.
        self._ahead_at: float | None = None

    def doubted(self, wait: timedelta) -> bool:
        """Whether the clock leapt ahead less than `wait` ago, and has not been put right since."""
        self.look()
        with self._lock:
            return self._ahead_at is not None and self._steady() - self._ahead_at < wait.total_seconds()

    def look(self) -> None:
        """See whether it leapt; now and then, for clocks that are put right bit by bit."""
        with self._lock:
            self._look()

    def _look(self) -> None:
        now = self._steady()
        apart = self._wall() - now
        leap, self._apart = apart - self._apart, apart
        if abs(leap) < LEAP.total_seconds():
            return
        if self._first_at is None or now - self._first_at > A_DAY.total_seconds():
            self._first_at, self._before = now, apart - leap
        shown = f"{datetime.fromtimestamp(self._wall(), UTC):%F %T} UTC"
        if apart - self._before < LEAP.total_seconds():
            self._ahead_at = None
            words = "ahead" if leap > 0 else "back"
            log.warning("the clock was set %s by %s: it is %s now", words, timedelta(seconds=round(abs(leap))), shown)
        elif leap > 0:
            self._ahead_at = now
            log.error(
                "the clock leapt ahead by %s: it is %s now. If that is wrong, set it right: "
                "planned pins and the ends of pins wait for %s, and nothing is forgotten for %s",
                timedelta(seconds=round(leap)), shown, A_WHILE, A_DAY,
            )  # fmt: skip


_watch = Watch()
look, doubted = _watch.look, _watch.doubted


def passed(field: str, now: datetime, farthest: timedelta) -> Q:
    """Rows whose time has come; `farthest`: how far ahead it is at most when it is written.

    One that is further ahead was written before the clock was set back, which may be years.
    """
    return Q(**{f"{field}__lte": now}) | Q(**{f"{field}__gt": now + farthest + SLACK})


def ahead(at: datetime, now: datetime, farthest: timedelta) -> bool:
    """Whether a time is still to come, as the rows are that `passed` leaves out."""
    return now < at <= now + farthest + SLACK
