"""Looking at processes by number, for tests that start real ones."""

import contextlib

import psutil


def descendants(pid: int) -> dict[int, list[str]]:
    """The command lines of the processes that `pid` started, and that those started, by number."""
    found = {}
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                found[process.pid] = process.cmdline()
    return found


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and was not collected yet does not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False
