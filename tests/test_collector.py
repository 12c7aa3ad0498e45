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


# A hundred MiB in pieces; all but the last, which keeps glibc from giving back what lies before it, are freed.
BUSY = """
import gc, resource, time
from pathlib import Path
from portal import collector

def mebibytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20

gc.disable()
idle = mebibytes()
pieces = [bytearray(10_000) for _ in range(10_000)]
last = pieces[-1]
busy = mebibytes()
del pieces
after = mebibytes()
collector.SWEEP_SECONDS, collector.SHARE = 0.01, 1
collector.sweep_often()
limit = time.monotonic() + 30
while mebibytes() > idle + 20 and time.monotonic() < limit:
    time.sleep(0.01)
print(busy - idle, after - idle, mebibytes() - idle)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's")
def test_a_busy_moments_memory_is_given_back() -> None:
    """Was red: what a burst had needed stayed with the process, whatever was free of it."""
    told = subprocess.run([sys.executable, "-c", BUSY], check=True, capture_output=True, text=True).stdout
    busy, freed, swept = map(float, told.split())
    assert min(busy, freed) > 80, "Nothing was kept: this says nothing."
    assert swept < 20
