"""Keeps processes up: restarts with back-off, and an orderly end."""

import signal
import time
from collections.abc import Callable, Sequence
from types import FrameType

from portal.supervisor.child import Child, Spec, say

TICK_SECONDS = 0.1
FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
# A process that ran this long counts as healthy: its next restart is a first one.
HEALTHY_SECONDS = 60.0
STOP_SECONDS = 10.0
# A process that ends this often before the portal is up will not come up.
HOPELESS = 3


class Stopped(Exception):
    """Somebody asked the portal to stop."""


class WillNotStart(Exception):
    """A process keeps ending, or does not get ready; the text is for people."""


class Watched:
    """A process and its restarts."""

    def __init__(self, spec: Spec, keep: Sequence[int]) -> None:
        self.spec = spec
        self.keep = keep
        self.failures = 0
        self.due: float | None = None
        self.started_at = time.monotonic()
        self.child = Child(spec, keep)

    def tick(self, may_start: bool = True) -> None:
        """Restart the process if it has ended, its delay is over, and it may start."""
        now = time.monotonic()
        if self.due is None:
            end = self.child.ended()
            if end is None:
                return
            if now - self.started_at > HEALTHY_SECONDS:
                self.failures = 0
            delay = min(FIRST_DELAY * 2**self.failures, LONGEST_DELAY)
            self.failures += 1
            self.due = now + delay
            say("run", f"{self.spec.name} {end}; it starts again in {delay:g} s")
        elif now >= self.due and may_start:
            self.due = None
            self.started_at = now
            self.child = Child(self.spec, self.keep)


class Loop:
    """Several processes, watched from the main thread."""

    def __init__(self, may_start: Callable[[], bool] = lambda: True) -> None:
        """`may_start`: whether a process that ended may be started again now."""
        self.watched: list[Watched] = []
        self._may_start = may_start
        self._asked_to_stop = 0

    def listen(self) -> None:
        """Let Ctrl-C, SIGTERM and a closed terminal stop the portal."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup has a hang-up ignored, and means it. A shell script has
            # SIGINT ignored in what it starts in the background, and does not.
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            signal.signal(number, self._ask_to_stop)

    def start(self, spec: Spec, keep: Sequence[int] = ()) -> None:
        """Start a process and keep it up; `keep` are file descriptors it inherits."""
        self.watched.append(Watched(spec, keep))

    def until(self, ready: Callable[[], bool], name: str, seconds: float) -> None:
        """Watch until `ready`. Raises Stopped, or WillNotStart after `seconds` or when `name` keeps ending."""
        deadline = time.monotonic() + seconds
        while not ready():
            self._tick()
            if any(one.failures >= HOPELESS for one in self.watched if one.spec.name == name):
                raise WillNotStart(f"The process '{name}' ends as soon as it starts: its own lines above say why.")
            if time.monotonic() > deadline:
                raise WillNotStart(f"The process '{name}' did not get ready within {seconds:g} seconds.")

    @property
    def asked_to_stop(self) -> bool:
        """Whether somebody did."""
        return self._asked_to_stop > 0

    def forever(self, over: Callable[[], bool] = lambda: False) -> None:
        """Watch until `over`; raises Stopped when somebody asks to stop."""
        while not over():
            self._tick()

    def stop(self) -> None:
        """End the processes, the last started first; those that do not end in time are killed.

        A second Ctrl-C kills what is left at once.
        """
        for one in reversed(self.watched):
            self._end(one.child)

    def _end(self, child: Child) -> None:
        child.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while child.ended() is None and time.monotonic() < deadline and self._asked_to_stop < 2:
            time.sleep(TICK_SECONDS / 4)
        if child.ended() is None:
            say("run", f"{child.spec.name} has not ended and is killed")
            child.signal(signal.SIGKILL)
        while child.ended() is None:
            time.sleep(TICK_SECONDS / 4)

    def _tick(self) -> None:
        if self._asked_to_stop:
            raise Stopped
        may_start = self._may_start()
        for one in self.watched:
            one.tick(may_start)
        time.sleep(TICK_SECONDS)

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._asked_to_stop += 1
