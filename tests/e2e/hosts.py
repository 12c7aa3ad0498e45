"""Several machines on one: network namespaces, each with an address of its own, on a switch that nothing else is on.

A thread enters a host, and what it starts there stays there: threads, processes
and their sockets. So a test talks to a host's own 127.0.0.1 from within it.
"""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

CLONE_NEWNET = 0x40000000  # <sched.h>
NETWORK = "10.77.0"


class Host:
    """One machine."""

    def __init__(self, switch: str, name: str, number: int) -> None:
        self.name, self.address = name, f"{NETWORK}.{number}"
        self._switch, self._space = switch, f"{switch}-{name}"
        self.power_on()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread is on the host meanwhile."""
        with open("/proc/thread-self/ns/net") as home:
            _enter(Path("/run/netns") / self._space)
            try:
                yield
            finally:
                _set(home.fileno())

    def cut(self) -> None:
        """Pull the plug: what is sent is lost, and nobody hears why."""
        _ip("-n", self._switch, "link", "set", self.name, "down")

    def mend(self) -> None:
        """Plug it in again."""
        _ip("-n", self._switch, "link", "set", self.name, "up")

    def power_off(self) -> None:
        """What runs on it says nothing to anybody any more, not even that it ends, and is the caller's to end."""
        _ip("-n", self._switch, "link", "del", self.name)
        _ip("netns", "del", self._space)

    def power_on(self) -> None:
        """It is there, and knows of no connection of before."""
        name, switch = self.name, self._switch
        _ip("netns", "add", self._space)
        _ip("link", "add", "eth0", "netns", self._space, "type", "veth", "peer", "name", name, "netns", switch)
        _ip("-n", switch, "link", "set", name, "master", "bridge", "up")
        for change in (("addr", "add", f"{self.address}/24", "dev", "eth0"), *_UP):
            _ip("-n", self._space, *change)


@contextmanager
def network(*names: str) -> Iterator[list[Host]]:
    """Hosts of these names on a switch; all of it is removed at the end."""
    # A device's name has at most 15 letters, and several runs may go on at once.
    switch = f"p{os.getpid()}"
    with ExitStack() as made:
        _ip("netns", "add", switch)
        made.callback(_ip, "netns", "del", switch)
        _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch, "link", "set", "bridge", "up")
        hosts = []
        for number, name in enumerate(names, 1):
            made.callback(subprocess.run, ["ip", "netns", "del", f"{switch}-{name}"], capture_output=True)
            hosts.append(Host(switch, name, number))
        yield hosts


_UP = (("link", "set", "eth0", "up"), ("link", "set", "lo", "up"))


def possible() -> bool:
    """Whether this user may make such networks here."""
    trial = f"p{os.getpid()}-try"
    try:
        _ip("netns", "add", trial)
        _ip("-n", trial, "link", "add", "bridge", "type", "bridge")
        _ip("netns", "del", trial)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _enter(space: Path) -> None:
    with open(space) as there:
        _set(there.fileno())


def _set(namespace: int) -> None:
    # os.setns came with Python 3.12.
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
