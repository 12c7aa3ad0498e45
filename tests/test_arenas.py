"""How many places the threads of a process have their memory from."""

import re
import subprocess
import sys

import pytest

from portal import arenas

# Sixteen threads that are there at once, each with some memory.
THREADS = """
import sys, threading
from pathlib import Path
from portal import arenas
if sys.argv[1] == "shared":
    arenas.share()
there = threading.Barrier(17)
def work():
    mine = bytearray(10_000)
    there.wait()
    there.wait()
for _ in range(16):
    threading.Thread(target=work).start()
there.wait()
print(Path("/proc/self/maps").read_text())
there.wait()
"""


def places(maps: str) -> int:
    """In how many of glibc's places the memory of these `/proc/…/maps` is: they begin at multiples of 64 MiB."""
    starts = re.findall(r"^([0-9a-f]+)-\S+ rw-p 00000000 00:00 0 *$", maps, re.MULTILINE)
    return sum(int(start, 16) % 2**26 == 0 for start in starts)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's")
def test_threads_share_their_memory() -> None:
    """Was red: each had a place of its own, and what a process has was as much as the busiest moment took."""
    alone, shared = (
        places(subprocess.run([sys.executable, "-c", THREADS, how], check=True, capture_output=True, text=True).stdout)
        for how in ("alone", "shared")
    )
    assert alone > arenas.ARENAS >= shared > 0
