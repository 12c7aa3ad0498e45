"""When nothing can be reached, new clients try in turn and not each for itself.

A client that could not connect is gone, and what the library opened for it
stays open until the process ends (docs/scaling.md): some hundred kB. Hundreds
of instances that each try once a minute would fill the memory within the hours
that an outage may last. So after a failure one client at a time tries, TURN_SECONDS
apart, until one succeeds; then all that wait go at once.
"""

import time
from collections.abc import Callable

TURN_SECONDS = 2.0


class Outage:
    """What the sessions of a process have learned of the way to WhatsApp."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failing = False
        self._next_turn = 0.0

    def failed(self) -> None:
        """A client gave up."""
        self._failing = True

    def over(self) -> None:
        """A client is connected."""
        self._failing = False

    def may_try(self) -> bool:
        """Whether whoever asks may start a client now; True is the turn of who asked."""
        now = self._clock()
        if self._failing and now < self._next_turn:
            return False
        self._next_turn = now + TURN_SECONDS
        return True
