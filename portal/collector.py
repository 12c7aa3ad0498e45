"""The garbage collector, and what it finds given back, for a process that runs for weeks."""

import gc
import threading
import time

from portal import arenas

# Of all that is sweeping takes less than a thousandth of the time, however much there is.
SWEEP_SECONDS, SHARE = 60.0, 1_000


def settle() -> None:
    """Call once all is imported: what lives for ever is no longer looked through, all else once a minute.

    Python's defaults look through new objects every 700 allocations, which a
    single request makes several times over; a tenth of a pin's time went there.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    sweep_often()


def sweep_often(until: threading.Event | None = None) -> None:
    """Look through everything once a minute, on a thread of its own, and give back what is free.

    A page leaves some hundred objects that only know each other, and who streams
    more; a worker leaves 9,000 a minute. Those that have outlived a few looks at
    what is new would wait for hours: three MiB an hour.
    """
    until = until or threading.Event()
    threading.Thread(target=_sweep, args=(until,), name="collector", daemon=True).start()


def _sweep(until: threading.Event) -> None:
    pause = SWEEP_SECONDS
    while not until.wait(pause):
        began = time.perf_counter()
        gc.collect()
        arenas.give_back()
        pause = max(SWEEP_SECONDS, SHARE * (time.perf_counter() - began))
