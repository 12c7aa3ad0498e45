"""What a process that runs for weeks takes away."""

import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from portal import collector


class Circle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def nobody_else() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("nobody_else")
def test_what_only_knows_itself_is_gone_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Was red: what had outlived a few looks, as all that belongs to a stream does, stayed for hours."""
    monkeypatch.setattr(collector, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(collector, "SHARE", 1)
    dead, until = weakref.ref(Circle()), threading.Event()
    collector.sweep_often(until)
    try:
        limit = time.monotonic() + 60
        while dead() is not None:
            assert time.monotonic() < limit
            time.sleep(0.01)
    finally:
        until.set()


# Sixteen threads that are there at once, each with some memory. In how many of glibc's places it is: they begin at
# multiples of 64 MiB.
PLACES = """
import re, sys, threading
from pathlib import Path
from portal import collector
if sys.argv[1] == "shared":
    collector.share_arenas()
there = threading.Barrier(17)
def work():
    mine = bytearray(10_000)
    there.wait()
    there.wait()
for _ in range(16):
    threading.Thread(target=work).start()
there.wait()
maps = Path("/proc/self/maps").read_text()
starts = [int(one, 16) for one in re.findall(r"^([0-9a-f]+)-\\S+ rw-p 00000000 00:00 0 *$", maps, re.M)]
print(sum(start % 2**26 == 0 for start in starts))
there.wait()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's")
def test_threads_share_their_memory() -> None:
    """Was red: each had a place of its own, and what a process has was as much as the busiest moment took."""
    alone, shared = (
        int(subprocess.run([sys.executable, "-c", PLACES, how], check=True, capture_output=True).stdout)
        for how in ("alone", "shared")
    )
    assert alone > collector.ARENAS >= shared > 0
