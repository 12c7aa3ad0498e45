"""What a process that runs for weeks takes away."""

import gc
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from portal import collector


class Circle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def nobody_else() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("nobody_else")
def test_what_only_knows_itself_is_gone_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Was red: what had outlived a few looks, as all that belongs to a stream does, stayed for hours."""
    monkeypatch.setattr(collector, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(collector, "SHARE", 1)
    dead, until = weakref.ref(Circle()), threading.Event()
    collector.sweep_often(until)
    try:
        limit = time.monotonic() + 60
        while dead() is not None:
            assert time.monotonic() < limit
            time.sleep(0.01)
    finally:
        until.set()
