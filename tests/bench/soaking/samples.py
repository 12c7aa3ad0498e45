"""What each process of a portal holds, sampled over time."""

import time
from collections import defaultdict

import psutil

from tests.portal_process import PortalProcess

MIB = 2**20
# What is told of a process. "memory": its own, without the files it has mapped.
KINDS = {"memory": "MiB", "rss": "MiB", "descriptors": "descriptors", "threads": "threads"}


class Samples:
    """Rows of samples by process and kind, and how often a process was another than before."""

    def __init__(self, portal: PortalProcess) -> None:
        self._portal = portal
        self._began = time.monotonic()
        self._pids: dict[str, int] = {}
        self.restarts = 0
        self.seconds: list[float] = []
        self.rows: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def take(self) -> None:
        """One sample of each process."""
        pids = {"run": self._portal.process.pid, **self._portal.pids()}
        self.restarts += sum(pids.get(name) != pid for name, pid in self._pids.items())
        self._pids = pids
        self.seconds.append(time.monotonic() - self._began)
        for name, pid in pids.items():
            process, row = psutil.Process(pid), self.rows[name]
            with process.oneshot():
                memory = process.memory_info()
                row["rss"].append(memory.rss / MIB)
                # SQLite maps its file: that grows with the data, and the kernel takes it back when it is needed.
                row["memory"].append((memory.rss - memory.shared) / MIB)
                row["descriptors"].append(process.num_fds())
                row["threads"].append(process.num_threads())

    def __str__(self) -> str:
        """The newest sample on a line."""
        told = (
            f"{name} " + "/".join(f"{row[kind][-1]:.4g}" for kind in KINDS) for name, row in sorted(self.rows.items())
        )
        return f"{self.seconds[-1]:6.0f} s  " + "  ".join(told)
