"""How soon another connector has the instances of one that was killed.

Two connectors a group, as on two machines; several groups side by side, each
with sessions in a PostgreSQL database of its own, so that fifty deaths do not
take fifty times ten seconds. A group's connectors are killed in turn. Who is
killed starts again under another name: its own name would take its instances
up at once, and nobody would have to notice that it died.
"""

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from tests import postgres
from tests.bench.fleets.twins import Schemas, Twin, Twins, enter
from tests.e2e.database import PortalDatabase
from tests.e2e.scene import Scene, wait
from tests.e2e.second import Second
from tests.loopback import Actor, LoopbackServer
from tests.nats_server import nats_server

GROUPS = 4
PATIENCE_SECONDS = 60.0
ASK_SECONDS = 0.05


class Group:
    """One instance, and two connectors that can read its keys: the one that holds it is killed, again and again."""

    def __init__(self, scene: Scene, bob: Actor, number: int, twin: Twin, sessions: str) -> None:
        self._scene, self._number, self._twin, self._sessions = scene, number, twin, sessions
        self._starts = 0
        self._connectors = [self._start(), self._start()]
        self._token = scene.command("createtoken", "--instance", twin.name).strip()
        for connector in self._connectors:
            connector.wait_up()
        self._wait_held()
        self._message = bob.send_text(twin.account.jid, "for the kills")
        scene.stored(self._message, seconds=30)
        # Seconds from each death to the next pin that WhatsApp acknowledged.
        self.took: list[float] = []
        self.devices = 0

    def _start(self) -> Second:
        self._starts += 1
        # The first by name gets the one instance: so names ascend, and the survivor is meant to have it.
        return Second(self._scene, f"group-{self._number}-{self._starts:03}", SESSION_DATABASE_URL=self._sessions)

    def run(self, kills: int) -> None:
        """Kill so many."""
        for _ in range(kills):
            victim, survivor = self._connectors
            # Two that start at the same time may hand it over once more: the first by name is meant to have it.
            wait(partial(self._held_by, victim.name), PATIENCE_SECONDS, "the victim's turn")
            victim.process.kill()
            began = time.monotonic()
            victim.process.wait(timeout=10)
            self._connectors = [survivor, self._start()]
            wait(self._pins, PATIENCE_SECONDS, "the take-over")
            self.took.append(time.monotonic() - began)
            self._connectors[1].wait_up()
        self.devices = len(self._twin.account.devices())

    def end(self) -> None:
        """Kill whatever still runs."""
        for connector in self._connectors:
            connector.end()

    def _owner(self) -> object:
        return self._scene.instance("owner", self._twin.name)

    def _held_by(self, name: str) -> bool:
        return self._owner() == name and self._scene.instance("state", self._twin.name) == "connected"

    def _wait_held(self) -> None:
        wait(lambda: self._scene.instance("state", self._twin.name) == "connected", PATIENCE_SECONDS, "connected")

    def _pins(self) -> bool:
        time.sleep(ASK_SECONDS)
        # Unpinning is nothing to the others, and pins would be renewals: each time the other one.
        body = {"pin": len(self.took) % 2 == 0, "messageId": self._message, "duration": "7d"}
        path = f"/api/chat/pinMessage/{self._twin.name}"
        return self._scene.portal.post(path, body, self._token)[0] == 200


@contextmanager
def groups() -> Iterator[list[Group]]:
    """The groups, ready; everything is stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="bench-kills-") as name, postgres.server() as url:
        folder = Path(name)
        folder.joinpath("nats").mkdir()
        with LoopbackServer(folder / "whatsapp") as wa, nats_server(folder / "nats") as nats:
            sessions = _database(url, "sessions", "template1")
            scene = Scene(
                wa, folder, PortalDatabase(folder / "data", url), NATS_URL=nats, SESSION_DATABASE_URL=sessions,
                CONNECTOR_NAME="linking", API_RATE="1000000/m",
            )  # fmt: skip
            made: list[Group] = []
            try:
                scene.link()
                twins, stores = Twins(scene.ana).make(GROUPS), Schemas(sessions)
                for twin in twins:
                    stores.make(twin)
                places = [_database(url, f"sessions_{number}", "sessions") for number in range(GROUPS)]
                with Actor(wa, wa.account("Bob", phone="5511999990002", phone_listed=False), folder) as bob:
                    for number, (twin, place) in enumerate(zip(twins, places, strict=True)):
                        enter(scene.portal.environment | {"SESSION_DATABASE_URL": place}, [twin])
                        made.append(Group(scene, bob, number, twin, place))
                    yield made
            finally:
                for group in made:
                    group.end()
                scene.portal.stop()


def _database(server: str, name: str, template: str) -> str:
    """A new database; the library's idle connections to its template are cut, for a copy must be alone."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [template])
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        connection.execute(create)
    return urlsplit(server)._replace(path=f"/{name}").geturl()


def times(kills: int) -> tuple[list[float], int]:
    """Seconds of each take-over, and how many devices there are now beyond one an instance (each a new QR code)."""
    with groups() as made:
        threads = [threading.Thread(target=group.run, args=(-(-kills // len(made)),)) for group in made]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = [seconds for group in made for seconds in group.took]
        assert len(took) >= kills, "a group ended early"
        return took, sum(group.devices - 1 for group in made)
