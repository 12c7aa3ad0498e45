"""A real `manage.py worker` beside a test, on the test's own database."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from tests.portal_process import PATIENCE_SECONDS, ROOT, environment


def database_url() -> str:
    """The address of the database that this test runs on."""
    given: dict[str, Any] = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{given['NAME']}"
    return f"postgres://{given['USER']}:{quote(given['PASSWORD'])}@{given['HOST']}:{given['PORT']}/{given['NAME']}"


class WorkerProcess:
    """A running worker. `log` holds what it printed so far."""

    def __init__(self, nats_url: str, **more: str) -> None:
        """Start it; `more` goes into its environment."""
        self.log = ""
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "worker"],
            env=environment(
                settings.DATA_DIR, DATABASE_URL=database_url(), NATS_URL=nats_url, SECRET_KEY=settings.SECRET_KEY,
                WEBHOOK_ALLOWED_NETWORKS="127.0.0.0/8", **more,
            ),
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        threading.Thread(target=self._read, daemon=True).start()

    def wait_ready(self) -> "WorkerProcess":
        """Wait until it says that it is up."""
        wait(lambda: "the worker is up" in self.log, 90, lambda: self.log)
        return self

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it in order; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=45)
        finally:
            if self.process.poll() is None:
                os.kill(self.process.pid, signal.SIGKILL)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log += line


def wait(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS, log: Callable[[], str] = lambda: "") -> Any:
    """Wait until a condition gives something, and return that."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"it did not happen within {seconds} s\n{log()}"
        time.sleep(0.02)
    return found
