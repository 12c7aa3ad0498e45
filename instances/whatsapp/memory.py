"""How much more memory a connector may take, so that what the library unpacks does not take the machine's.

The library inflates whatever it gets (docs/wire.md, "Bombs"). The kernel refuses
a process what is beyond its limit for data (RLIMIT_DATA); Go ends the process
then, and another is started. By default the limit is moved once a second: what
the connector has, and what the machine, or its container, can spare. A fixed
share would be wrong for most: threads and Go reserve much more than they use.

Source: Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst;
proc(5).
"""

import resource
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from django.conf import settings

MB = 2**20
# Of all memory so much is left for others.
LEFT_FOR_OTHERS = 1 / 8
# Between two moves it may take that at least: each thread of a client that starts reserves 8 MB, and many start at
# once. Where there is less, the kernel chooses whom to end.
LEAST = 512 * MB
MOVE_SECONDS = 1.0
ROOT = Path("/")


def keep_limit() -> None:
    """Set the limit for this process, and move it on a thread for as long as it runs."""
    if settings.CONNECTOR_MEMORY_MB is None:
        _move()
        threading.Thread(target=_keep_moving, name="memory", daemon=True).start()
    elif settings.CONNECTOR_MEMORY_MB > 0:
        most = settings.CONNECTOR_MEMORY_MB * MB
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _keep_moving() -> None:
    while True:
        time.sleep(MOVE_SECONDS)
        _move()


def _move() -> None:
    if (most := allowed()) is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def allowed(root: Path = ROOT) -> int | None:
    """Bytes of data this process may have; None where the system does not say what is there."""
    try:
        machine = _table(root / "proc/meminfo")
        has = int(_table(root / "proc/self/status")["VmData"]) * 1024
        rooms = [(int(machine["MemTotal"]) * 1024, int(machine["MemAvailable"]) * 1024), *_groups(root)]
    except (OSError, KeyError, ValueError):
        return None
    return has + max(LEAST, min(int(free - LEFT_FOR_OTHERS * whole) for whole, free in rooms))


def _groups(root: Path) -> Iterator[tuple[int, int]]:
    """Of each control group we are in that has a limit: how much that is, and how much of it is free."""
    with suppress(FileNotFoundError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                names = ("", "memory.max", "memory.current", "inactive_file")
            elif "memory" in controllers.split(","):
                names = ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            else:
                continue
            top, most, used, cached = root / "sys/fs/cgroup" / names[0], *names[1:]
            # In a container the path may be the machine's, and only its top is there.
            inner = Path(path.lstrip("/"))
            for group in (top / inner, *(top / outer for outer in inner.parents)):
                with suppress(FileNotFoundError):
                    text = (group / most).read_text().strip()
                    if text != "max":
                        # What the kernel keeps of files it gives away first.
                        in_use = int((group / used).read_text()) - int(_table(group / "memory.stat").get(cached, 0))
                        yield int(text), int(text) - in_use


def _table(path: Path) -> dict[str, str]:
    """Lines of a name and a number: "MemTotal:  24684084 kB", "total_inactive_file 4096"."""
    pairs = (line.split()[:2] for line in path.read_text().splitlines())
    return {pair[0].rstrip(":"): pair[1] for pair in pairs if len(pair) == 2}
