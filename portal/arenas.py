"""Where the threads of a process have their memory from.

glibc gives each new thread a place of its own ("arena"), up to eight for each core,
and what was free in one is no use to the others: how much a process has was decided
by how many threads ever had work in the same moment.
"""

import ctypes
import os

# Of glibc's <malloc.h>.
M_ARENA_MAX = -8
ARENAS = 2


def share() -> None:
    """Have all threads share a few, before there is a second one; whoever set MALLOC_ARENA_MAX knows better."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # Other systems' libraries have none.
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(M_ARENA_MAX, ARENAS)
