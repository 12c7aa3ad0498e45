"""Django's cache in memory, which forgets what is over."""

import time
from typing import Any, ClassVar

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.locmem import LocMemCache

FORGET_SECONDS = 60.0


class MemoryCache(LocMemCache):
    """Django's own keeps what has run out until nobody else finds room: of rate limits, 200,000 old minutes."""

    # By the cache's name: each thread has an object of its own, and all have one memory.
    _forget_at: ClassVar[dict[str, float]] = {}

    def __init__(self, name: str, params: dict[str, Any]) -> None:
        super().__init__(name, params)
        self._name = name

    def _set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT) -> None:
        # Whoever sets something holds the lock.
        now = time.time()
        if not now < self._forget_at.get(self._name, 0.0) <= now + FORGET_SECONDS:
            self._forget_at[self._name] = now + FORGET_SECONDS
            memory: Any = self
            for one in [one for one, end in memory._expire_info.items() if end is not None and end <= now]:
                memory._delete(one)
        super()._set(key, value, timeout)  # type: ignore[misc]
