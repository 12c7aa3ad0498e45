"""The rate limit: how often a caller has called in the present window.

Counted by django-ratelimit in the default cache, so that all web processes
which share a Valkey share the buckets. When that cache is out of reach, each
process counts in its own memory until it is back: the limit is then up to
`number of processes` times as wide, and its headers tell of the one process
that answers. Failing closed would turn the loss of a counter into an outage of
everything, failing open would take the limit from a runaway integration at the
very moment the house is in trouble.
"""

import logging
import re
import threading
import time
from dataclasses import dataclass
from functools import lru_cache

from django.core.cache.backends.locmem import LocMemCache
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django_ratelimit.core import get_usage

logger = logging.getLogger(__name__)

# All endpoints together.
EVERYTHING = "api"
# How long a process leaves a shared cache alone that has just failed, in
# seconds: each try may cost a connection timeout.
TRY_AGAIN = 5.0

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Usage:
    """A bucket's state, the present request included."""

    limit: int
    count: int
    # Unix seconds: the first moment at which the bucket is empty again.
    reset: int

    @property
    def remaining(self) -> int:
        """How many more requests the window has room for."""
        return max(0, self.limit - self.count)

    @property
    def over(self) -> bool:
        """Whether this request was one too many."""
        return self.count > self.limit

    @property
    def retry_after(self) -> int:
        """Seconds until the next window, at least 1."""
        return max(1, self.reset - int(time.time()))

    def headers(self) -> dict[str, str]:
        """What every answer of the API carries."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }


@lru_cache(maxsize=32)
def parse(rate: str) -> tuple[int, int]:
    """Requests and seconds of "100/m" (also 5/s, 1000/h, 1/d). Raises ImproperlyConfigured."""
    match = re.fullmatch(r"(\d+)/([smhd])", rate.strip())
    if match is None or int(match[1]) == 0:
        raise ImproperlyConfigured(f'rate "{rate}" is none: write it like 100/m, with s, m, h or d for the period')
    return int(match[1]), _SECONDS[match[2]]


def count(request: HttpRequest, bucket: str, rate: str, *, group: str = EVERYTHING, increment: bool = True) -> Usage:
    """Count a request into `bucket`, or with `increment=False` only look.

    `group` keeps limits of their own apart from the one over all endpoints.
    """
    limits = parse(rate)
    if _shared.usable():
        try:
            usage = _count_shared(request, bucket, limits, group, increment)
        # Whatever the backend raises (redis-py has a tree of its own): a fault
        # of the counter is no fault of the request.
        except Exception as error:
            _shared.failed(error)
        else:
            _shared.worked()
            return usage
    return _count_alone(bucket, limits, group, increment)


def _count_shared(request: HttpRequest, bucket: str, rate: tuple[int, int], group: str, increment: bool) -> Usage:
    found = get_usage(request, group=group, key=lambda _group, _request: bucket, rate=rate, increment=increment)
    # No count at all, but a limit reached: django-ratelimit's way of saying
    # that the cache did not answer (or evicted the key meanwhile).
    if found is None or (found["count"] == 0 and found["should_limit"]):
        raise ConnectionError("the cache gave no count")
    # The window's last second still belongs to it: the next one begins a second later.
    return Usage(limit=found["limit"], count=found["count"], reset=int(time.time()) + found["time_left"] + 1)


class _Shared:
    """Whether the shared cache is worth a try; logs when that changes."""

    def __init__(self) -> None:
        self.down_until = 0.0
        self.down = False

    def usable(self) -> bool:
        if not self.down:
            return True
        if time.monotonic() < self.down_until:
            return False
        # One request tries; the others go on counting alone until it knows.
        self.down_until = time.monotonic() + TRY_AGAIN
        return True

    def failed(self, error: Exception) -> None:
        if not self.down:
            logger.error(
                "The cache is out of reach (%s: %s): this process counts rate limits on its own until it is back.",
                type(error).__name__,
                error,
            )
        self.down, self.down_until = True, time.monotonic() + TRY_AGAIN

    def worked(self) -> None:
        if self.down:
            logger.warning("The cache is back: rate limits are shared again.")
        self.down = False


_shared = _Shared()
_alone = LocMemCache("portal.rest.rate", {"OPTIONS": {"MAX_ENTRIES": 200_000}})
_alone_lock = threading.Lock()


def _count_alone(bucket: str, rate: tuple[int, int], group: str, increment: bool) -> Usage:
    limit, period = rate
    now = int(time.time())
    reset = now - now % period + period
    key = f"{group}:{bucket}:{limit}/{period}:{reset}"
    with _alone_lock:
        seen: int = _alone.get(key, 0)
        if increment:
            seen += 1
            _alone.set(key, seen, period + 5)
    return Usage(limit=limit, count=seen, reset=reset)


def forget() -> None:
    """Forget this process's own counts and that the cache was down. For tests."""
    _shared.down = False
    _alone.clear()
