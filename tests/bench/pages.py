"""Pages: the server's time with a million messages, their weight, and how soon a colleague sees a pin."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from tests.bench.registry import Figure, at_most, bench

BARS = {
    "pages-search-p95": 60.0,
    "pages-chat-p95": 60.0,
    "pages-search-queries": 12.0,
    "pages-chat-queries": 12.0,
    "browser-first-page": 150.0,
    "browser-pin-seen": 1.0,
}


@bench("pages")
def pages() -> Iterator[Figure]:
    """In the server, through every layer but the socket."""
    yield from _measured_by("tests.bench.paging.server")


@bench("browser")
def browser() -> Iterator[Figure]:
    """In Chromium, against the real portal and a loopback WhatsApp."""
    yield from _measured_by("tests.bench.paging.browser")


def _measured_by(module: str) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder:
        environment = {**os.environ, "DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        environment.pop("DATABASE_URL", None)
        command = [sys.executable, "-m", module]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            for line in process.stdout:
                if line.startswith("{"):
                    told = json.loads(line)
                    bar = BARS.get(told["name"])
                    yield Figure(told["name"], told["value"], told["unit"], at_most(bar) if bar else None)
        if process.returncode:
            raise SystemExit(f"{module} ended with {process.returncode}")
