"""A portal spread over six machines: web, two connectors, database, broker, and WhatsApp."""

import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from portal.supervisor import nats
from tests.e2e.database import PortalDatabase
from tests.e2e.hosts import Host, network
from tests.e2e.scene import Scene, wait
from tests.e2e.second import Second
from tests.loopback import LoopbackServer
from tests.portal_process import PortalProcess
from tests.postgres import DURABLE, Server, serving

START_SECONDS = 60.0
# How much the database's disk holds beside the server's own programs.
DISK = "size=260m,mode=755"


class WebProcess(PortalProcess):
    """A web process alone, on the machine that the thread is on."""

    COMMAND = "web"

    def wait_ready(self) -> "WebProcess":
        """Wait until it answers."""
        self.wait_for(self._answers, START_SECONDS)
        return self

    def _answers(self) -> bool:
        with suppress(OSError):
            return self.get("/healthz")[0] == 200
        return False


class Broker:
    """A nats-server that comes back on the same port, with what it had."""

    def __init__(self, host: Host, folder: Path) -> None:
        self._host, self._server = host, nats.configure(folder)
        config = folder / "nats.conf"
        config.write_text(config.read_text().replace(f'"{nats.HOST}:', '"0.0.0.0:'))
        self.url = self._server.url.replace(nats.HOST, host.address)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns once it takes connections."""
        with self._host.inside():
            self.process = subprocess.Popen(self._server.spec.command, stdin=subprocess.DEVNULL)
            wait(self._server.ready, START_SECONDS, "the broker")

    def kill(self) -> None:
        """As a crash does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=10)


class Site(Scene):
    """Ana's instance on it. The thread that made it is on the web's machine, where callers are as well."""

    def __init__(
        self, wa: LoopbackServer, folder: Path, server: Server, hosts: dict[str, Host], broker: Broker, disk: Path
    ) -> None:
        self.server, self.hosts, self.broker, self.disk = server, hosts, broker, disk
        url = server.url
        self.connectors: dict[str, Second] = {}
        super().__init__(
            wa, folder, PortalDatabase(folder / "data", url), DATABASE_URL=url,
            # The library's driver wants TLS of a server elsewhere.
            SESSION_DATABASE_URL=f"{url}?sslmode=disable", NATS_URL=broker.url, API_RATE="100000/m",
        )  # fmt: skip

    def start(self) -> None:
        """Start the web process, on this thread's machine."""
        self.portal = WebProcess(self.folder / "data", 8000, **self._environment)

    def begin(self) -> None:
        """Make the tables, start the connectors on their machines, and link Ana's phone."""
        self.portal.wait_ready()
        self.command("migrate")
        for name in ("first", "second"):
            self.start_connector(name)
        for connector in self.connectors.values():
            connector.wait_up()
        self.command("createaccount", "Shop")
        self.link()

    def start_connector(self, name: str) -> None:
        """Start one; where there was one, it has ended."""
        with self.hosts[name].inside():
            self.connectors[name] = Second(self, name)

    def holder(self) -> Second:
        """The connector that holds the instance, once it is connected."""
        wait(lambda: self.instance("state") == "connected" and self.instance("owner"), 90, "a connection")
        return self.connectors[self.instance("owner")]

    def stop(self) -> None:
        """End all that runs."""
        for connector in self.connectors.values():
            connector.end()
        self.portal.stop()


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """Everything, each on its machine; stopped and removed at the end."""
    with ExitStack() as at_the_end:
        # Where the database's user may go as well.
        disk = Path(tempfile.mkdtemp(prefix="portal-disk-"))
        at_the_end.callback(disk.rmdir)
        subprocess.run(["mount", "-t", "tmpfs", "-o", DISK, "tmpfs", str(disk)], check=True)
        at_the_end.callback(subprocess.run, ["umount", str(disk)], check=True)
        names = ("web", "first", "second", "database", "broker", "whatsapp")
        hosts = {host.name: host for host in at_the_end.enter_context(network(*names))}
        broker = Broker(hosts["broker"], folder / "nats")
        at_the_end.callback(broker.kill)
        broker.start()
        wa = LoopbackServer(folder / "whatsapp", hosts["whatsapp"].address)
        with hosts["whatsapp"].inside():
            at_the_end.enter_context(wa)
        with hosts["database"].inside():
            server = at_the_end.enter_context(serving(DURABLE, hosts["database"].address, disk))
        at_the_end.enter_context(hosts["web"].inside())
        made = Site(wa, folder, server, hosts, broker, disk)
        at_the_end.callback(made.stop)
        made.begin()
        yield made


class Caller:
    """An integrator who wants messages pinned, each once, and notes what it hears."""

    def __init__(self, scene: Scene, messages: list[str]) -> None:
        self._scene = scene
        self._messages = messages
        # What was said to each: status and sentence.
        self.heard: Counter[str] = Counter()
        self.pinned: list[str] = []
        self.unknown: list[str] = []

    def until_pinned(self, seconds: float) -> float:
        """Ask until a pin is acknowledged; seconds it took. A pin whose outcome is unknown is not asked for again."""
        began = time.monotonic()
        while True:
            message = self._messages[0]
            try:
                status, answer = self._scene.pin(message, "7d")
                sentence = "" if status == 200 else answer["error"]["message"]
            except OSError as error:
                status, sentence = 0, type(error).__name__
            self.heard[f"{status} {sentence}".strip()] += 1
            if status in (200, 504):
                (self.pinned if status == 200 else self.unknown).append(self._messages.pop(0))
            if status == 200:
                return time.monotonic() - began
            assert time.monotonic() - began < seconds, self.heard
            time.sleep(0.2)
