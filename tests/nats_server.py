"""A real nats-server for tests, configured as `manage.py run` does it."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from portal.supervisor import nats

READY_SECONDS = 60.0


@contextmanager
def nats_server(folder: Path) -> Iterator[str]:
    """Start it with its files in `folder`, and give its address, token included."""
    with nats_process(folder) as (url, _):
        yield url


@contextmanager
def nats_process(folder: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """As `nats_server`, with the process, for a test that freezes it."""
    server = nats.configure(folder)
    process = subprocess.Popen(server.spec.command, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not server.ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((folder / "nats.log").read_text())
            time.sleep(0.02)
        yield server.url, process
    finally:
        process.terminate()
        process.wait(timeout=30)
