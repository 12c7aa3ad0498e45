"""Where the threads of a process have their memory from.

glibc gives each new thread a place of its own ("arena"), up to eight for each core,
and what was free in one is no use to the others: how much a process has was decided
by how many threads ever had work in the same moment. And of what is freed it gives
back only the end of a place, so that a busy moment's memory stays for ever.
"""

import ctypes
import os

# Of glibc's <malloc.h>. Other systems' libraries have neither function.
M_ARENA_MAX = -8
ARENAS = 2


def share() -> None:
    """Have all threads share a few, before there is a second one; whoever set MALLOC_ARENA_MAX knows better."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Give back each whole page that nothing is in, wherever it lies; milliseconds (malloc_trim(3))."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))
