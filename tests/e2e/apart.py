"""A portal whose processes are started one by one, each as on a machine of its own, as a large house runs them."""

import contextlib
import http.client
import itertools
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.e2e.database import PortalDatabase
from tests.e2e.scene import Scene, wait
from tests.loopback import LoopbackServer
from tests.nats_cluster import Cluster
from tests.portal_process import ROOT, PortalProcess, environment, free_port


class Machines(PortalProcess):
    """Web processes behind one address, a connector and a worker; each with the rights of its kind at NATS."""

    def __init__(self, folder: Path, cluster: Cluster, **common: str) -> None:
        self.folder, self.cluster = folder, cluster
        self.secret_key = secrets.token_urlsafe(40)
        self.common = common | {
            "SECRET_KEY": self.secret_key, "NATS_CA": str(cluster.authority), "NATS_REPLICAS": "3",
            "STATIC_ROOT": str(folder / "static"), "LOG_FORMAT": "json", "NEONIZE_BOT_TAG": "off",
        }  # fmt: skip
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.webs: dict[str, int] = {}
        # What `manage` and `begin_command` of a scene use: the terminal acts as a web process does.
        self.environment = self.environment_of("web", "terminal")
        for command in ("migrate", "collectstatic"):
            done = self.manage(command, "--no-input", "-v0", seconds=240)
            assert done.returncode == 0, done.stderr
        self._front = socket.create_server(("127.0.0.1", 0))
        self.port = self._front.getsockname()[1]
        threading.Thread(target=self._spread, daemon=True).start()

    def environment_of(self, kind: str, name: str, **more: str) -> dict[str, str]:
        """What a process of this kind is told, on a machine called `name`."""
        first = len(self.processes) % 3
        return environment(
            self.folder / name, **self.common, NATS_URL=self.cluster.url(kind, first), PROCESS_NAME=name, **more
        )

    def begin(self, kind: str, name: str, **more: str) -> None:
        """Start a process."""
        if kind == "web":
            self.webs[name] = free_port()
            more["PORT"] = str(self.webs[name])
        with open(self.log(name), "ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), kind], env=self.environment_of(kind, name, **more),
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def log(self, name: str) -> Path:
        """Where a process's log lies."""
        return self.folder / f"{name}.log"

    def kill(self, name: str) -> None:
        """End a process as `kill -9` does."""
        self.processes[name].kill()
        self.processes[name].wait()

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 45.0) -> int:
        """End all in order."""
        self._front.close()
        for process in self.processes.values():
            process.send_signal(number)
        for process in self.processes.values():
            try:
                process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return 0

    def ask(self, path: str, web: str = "", headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
        """GET over the one address, or from one web process."""
        connection = http.client.HTTPConnection("127.0.0.1", self.webs.get(web, self.port), timeout=60)
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer

    def ready(self, web: str) -> bool:
        """What whoever spreads callers asks."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.ask("/readyz", web).status == 200
        return False

    def _spread(self) -> None:
        """The one address: each connection to the next web process that takes it."""
        turns = itertools.count()
        with contextlib.suppress(OSError):  # Closed at the end.
            while True:
                caller, _ = self._front.accept()
                first = next(turns)
                for step in range(len(self.webs)):
                    port = list(self.webs.values())[(first + step) % len(self.webs)]
                    with contextlib.suppress(OSError):
                        web = socket.create_connection(("127.0.0.1", port), timeout=5)
                        web.settimeout(None)
                        for one, other in ((caller, web), (web, caller)):
                            threading.Thread(target=_carry, args=(one, other), daemon=True).start()
                        break
                else:
                    caller.close()


class Apart(Scene):
    """The scene on these machines."""

    portal: Machines

    def __init__(
        self, wa: LoopbackServer, folder: Path, cluster: Cluster, database: PortalDatabase, **more: str
    ) -> None:
        self._cluster = cluster
        super().__init__(wa, folder, database, **more)

    def start(self) -> None:
        """Bring the database up to date, then start them."""
        self.portal = Machines(self.folder, self._cluster, **self._environment)
        self.portal.begin("connector", "connector-eu", CONNECTOR_NAME="connector-eu", CONNECTOR_LABELS="region=eu")
        self.portal.begin("worker", "worker")
        for web in ("web-a", "web-b"):
            self.portal.begin("web", web)
        for web in ("web-a", "web-b"):
            wait(partial(self.portal.ready, web), 120, web)
        row = "SELECT beat FROM instances_connector WHERE name = 'connector-eu'"
        wait(lambda: self.database.one(row), 120, "the connector")


@contextlib.contextmanager
def open_apart(
    wa: LoopbackServer, folder: Path, cluster: Cluster, database: PortalDatabase, **more: str
) -> Iterator[Apart]:
    """A scene that is linked, stopped at the end."""
    scene = Apart(wa, folder, cluster, database, **more)
    try:
        scene.command("createaccount", "Default")
        scene.link()
        yield scene
    finally:
        scene.portal.stop()


def _carry(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    for end in (one, other):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
