"""The cache in memory: what has run out is gone, though nobody asks for it and there is room."""

import time
from typing import Any
from unittest import mock

from portal.memory_cache import FORGET_SECONDS, MemoryCache


def cache() -> Any:
    made = MemoryCache("of_this_test", {})
    made.clear()
    made._forget_at.clear()
    return made


def test_what_has_run_out_is_forgotten() -> None:
    """Was red: each minute of each caller stayed, until there were 200,000 of them."""
    ours, now = cache(), time.time()
    with mock.patch("time.time", return_value=now):
        ours.set("for_ever", 1, None)
        for minute in range(5):
            ours.set(f"minute_{minute}", 1, 60 * (minute + 1))
    with mock.patch("time.time", return_value=now + 150):
        ours.add("new", 1, 60)
    assert len(ours._cache) == 5, "two of the minutes are over"
    assert MemoryCache("of_this_test", {}).get("for_ever") == 1, "another thread's"


def test_a_clock_that_is_set_back_does_not_end_it() -> None:
    ours, now = cache(), time.time()
    with mock.patch("time.time", return_value=now + 86_400):
        ours.set("tomorrow", 1, 60)
    with mock.patch("time.time", return_value=now):
        ours.set("today", 1, 60)
    with mock.patch("time.time", return_value=now + FORGET_SECONDS + 1):
        ours.set("a_minute_later", 1, 60)
        assert set(ours._expire_info) == {":1:tomorrow", ":1:a_minute_later"}
