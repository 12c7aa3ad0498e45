"""The real portal for tests: `manage.py run` with all its processes, in a data folder of its own."""

import http.client
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from http.cookiejar import CookieJar
from pathlib import Path
from typing import IO, Any

from tests.logs import tells_no_secret
from tests.processes import alive, descendants

ROOT = Path(__file__).resolve().parent.parent
# A busy machine is no reason to fail: how long things take is measured in benchmarks.
READY_SECONDS = 180.0
PATIENCE_SECONDS = 60.0
# Variables that say where the portal of whoever runs the tests is kept.
OURS = (
    "ALLOWED_HOSTS", "CACHE_URL", "CONNECTOR_NAME", "DATABASE_URL", "DATA_DIR", "DJANGO_SETTINGS_MODULE", "HOST",
    "LISTEN_FD", "MAKELEVEL", "NATS_URL", "PORT", "SECRET_KEY", "WEB_PROCESSES",
)  # fmt: skip


# Linux gives those from 32,768 up to connections and to whoever names none; browsers refuse some below.
PORTS = range(11_000, 32_000)
_given: set[int] = set()


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens at just now.

    Whoever asks takes it seconds later: by then no connection may have it, nor another process of the suite, each of
    which has ports of its own.
    """
    ours, all_of_us = os.environ.get("PYTEST_XDIST_WORKER", "gw0"), os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
    mine = PORTS[int(ours.removeprefix("gw")) :: int(all_of_us)]
    while True:
        port = secrets.choice(mine)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((host, port))
            if port not in _given:
                _given.add(port)
                return port


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """The environment of a portal that keeps its data in `data_dir`."""
    return {
        **{name: value for name, value in os.environ.items() if name not in OURS},
        "DATA_DIR": str(data_dir),
        # Tests sign in again and again, all from one address.
        "SIGN_IN_RATE": "1000/m",
        **more,
    }


class PortalProcess:
    """A running `manage.py run`. `out` and `err` hold what it printed so far."""

    COMMAND = "run"

    def __init__(self, data_dir: Path, port: int | None = None, /, **more: str) -> None:
        """Start it; `more` goes into its environment (PYTHONPATH, https_proxy, ...)."""
        self.data_dir = data_dir
        self.port = port or free_port()
        self.environment = environment(data_dir, PORT=str(self.port), **more)
        self.out = ""
        self.err = ""
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), self.COMMAND],
            env=self.environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        self._readers = [
            threading.Thread(target=self._read, args=(name, getattr(self.process, f"std{name}")), daemon=True)
            for name in ("out", "err")
        ]
        for reader in self._readers:
            reader.start()

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def password(self) -> str | None:
        """The first administrator's, if it was printed."""
        found = re.search(r"^Password: +(\S+)$", self.out, re.MULTILINE)
        return found and found[1]

    def wait_ready(self) -> "PortalProcess":
        """Wait until it has said that it runs."""
        self.wait_for(lambda: "What to do next" in self.out, READY_SECONDS)
        return self

    def wait_for(self, condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until `condition`, or fail with what the portal printed."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError(f"it did not happen; the portal printed:\n{self.out}\n{self.err}")
            time.sleep(0.05)

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a GET request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def post(self, path: str, body: object, token: str) -> tuple[int, object]:
        """Status and JSON body of an API call by POST."""
        return self.call("POST", path, body, token)

    def call(self, method: str, path: str, body: object, token: str) -> tuple[int, Any]:
        """Status and JSON body of an API call."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request(method, path, json.dumps(body), {"Content-Type": "application/json", "token": token})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def signed_in(self) -> urllib.request.OpenerDirector:
        """A browser of sorts, signed in as the first administrator."""
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        with opener.open(f"{self.url}/sign-in/", timeout=60) as page:
            found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.read().decode())
        assert found
        said = {"username": "admin", "password": self.password, "csrfmiddlewaretoken": found[1]}
        with opener.open(f"{self.url}/sign-in/", urllib.parse.urlencode(said).encode(), timeout=60) as page:
            assert "/sign-in/" not in page.url
        return opener

    def manage(self, *arguments: str, seconds: float = 2 * PATIENCE_SECONDS) -> subprocess.CompletedProcess[str]:
        """Run a `manage.py` command as a person does in a second terminal."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return subprocess.run(
            command, env=self.environment, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=seconds,
        )  # fmt: skip

    def pids(self) -> dict[str, int]:
        """Its processes by name, as `web`, `connector`, `worker` or `nats`, with the newest number of each."""
        found = {}
        for pid, command in descendants(self.process.pid).items():
            for name in ("web", "connector", "worker", "nats-server"):
                if any(Path(word).name == name for word in command):
                    found[name.removesuffix("-server")] = pid
        return found

    def stop(self, number: signal.Signals = signal.SIGINT, seconds: float = 90.0) -> int:
        """End it as Ctrl-C does; the exit code. Whatever is left over is killed."""
        pids = [self.process.pid, *descendants(self.process.pid)]
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(timeout=seconds)
        finally:
            for pid in filter(alive, pids):
                os.kill(pid, signal.SIGKILL)
        for reader in self._readers:
            reader.join(timeout=5)
        self.told_no_secret()
        return code

    def told_no_secret(self) -> None:
        """Nothing of what it knows stands in its logs."""
        log = self.err
        with suppress(FileNotFoundError):
            log += (self.data_dir / "nats" / "nats.log").read_text()
        tells_no_secret(log, self.data_dir, self.environment)

    def _read(self, name: str, lines: IO[str]) -> None:
        with lines:
            for line in lines:
                setattr(self, name, getattr(self, name) + line)
