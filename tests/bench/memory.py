"""What each process of a portal with one linked instance holds in memory when nothing happens."""

import time
from collections.abc import Iterator

import psutil

from tests.bench.registry import Figure, bench
from tests.bench.stage import stage

REST_SECONDS = 3.0


@bench("memory")
def memory() -> Iterator[Figure]:
    """Proportional set size: a page shared by several processes counts in parts."""
    with stage() as (scene, bob):
        scene.stored(bob.send_text(scene.ana.jid, "one message"))
        time.sleep(REST_SECONDS)
        pids = {"run": scene.portal.process.pid, **scene.portal.pids()}
        for name, pid in pids.items():
            yield Figure(f"memory_{name}", psutil.Process(pid).memory_full_info().pss / 2**20, "MiB")
