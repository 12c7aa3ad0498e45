"""Several connectors on one database: who holds what, who takes over, and that no stanza goes out twice.

They are of separate data folders, as on two machines; the keys lie in PostgreSQL.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import postgres
from tests.e2e.database import PortalDatabase
from tests.e2e.scene import Scene, wait
from tests.e2e.second import Second
from tests.loopback import Actor, LoopbackServer

# It brings its own PostgreSQL, whichever database the suite runs on.
pytestmark = [pytest.mark.slow, pytest.mark.sqlite_only]

# From a connector's death to the pin by another one: the issue allows ten seconds, six of which are the lease's, on a
# machine that does nothing else.
TAKE_OVER_SECONDS = 25.0


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, nats_url: str) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("connectors")
    with LoopbackServer(folder / "whatsapp") as wa, postgres.server() as url:
        made = Scene(
            wa, folder, PortalDatabase(folder / "data", url),
            NATS_URL=nats_url, SESSION_DATABASE_URL=url, CONNECTOR_NAME="first",
        )  # fmt: skip
        try:
            made.link()
            yield made
        finally:
            made.portal.stop()


@pytest.fixture(scope="module")
def bob(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Actor]:
    with Actor(scene.wa, scene.wa.account("Bob", phone="5511999990002"), tmp_path_factory.mktemp("bob")) as actor:
        yield actor


def message(scene: Scene, bob: Actor, text: str) -> str:
    message_id = bob.send_text(scene.ana.jid, text)
    scene.stored(message_id)
    return message_id


def first_holds(scene: Scene) -> bool:
    return bool(scene.instance("owner") == "first" and scene.instance("state") == "connected")


def test_the_keys_are_in_the_database(scene: Scene, bob: Actor) -> None:
    assert scene.pin(message(scene, bob, "as before"), "7d")[0] == 200
    assert not list((scene.folder / "data" / "sessions").glob("*.sqlite3*"))
    schemas = scene.database.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE ?", "session%")
    assert len(schemas) == 1


def test_the_secret_of_a_message_is_found_there(scene: Scene, bob: Actor) -> None:
    """With it the author's edits are sealed."""
    secret = os.urandom(32)
    message_id = bob.send_with_secret(scene.ana.jid, "at ten", secret)
    scene.stored(bob.edit_sealed(scene.ana.jid, message_id, "at eleven", secret, bob.lid))
    assert scene.stored(message_id, "text") == ("at eleven",)


def test_a_client_that_stopped_keeps_no_connections(scene: Scene, bob: Actor) -> None:
    """The library never closes a client's pool: without us each reconnection would leave two sessions for good."""

    def sessions() -> int:
        # Whatever they are called: what they last asked for is the library's.
        query = "SELECT count(*) FROM pg_stat_activity WHERE query ILIKE ? AND pid <> pg_backend_pid()"
        return int(scene.database.one(query, "%whatsmeow%"))

    message(scene, bob, "before")
    assert 1 <= sessions() <= 3
    scene.command("shell", "--no-imports", "-c", """
import time
from instances.models import Instance
from instances.whatsapp import service
for _ in range(4):
    service.disconnect(Instance.objects.get())
    service.connect(Instance.objects.get())
    while Instance.objects.get().state != "connected":
        time.sleep(0.05)
""")  # fmt: skip
    assert scene.pin(message(scene, bob, "after"), "7d")[0] == 200
    wait(lambda: 1 <= sessions() <= 3, what="the end of the stopped clients' sessions")


def test_a_share_is_handed_over_a_dead_ones_taken_over_a_stopping_ones_handed_back(scene: Scene, bob: Actor) -> None:
    kept = message(scene, bob, "kept")
    # The one instance goes to the first by name.
    neighbour = Second(scene, "earlier").wait_up()
    try:
        wait(neighbour.holds, what="the handing over")
        assert scene.pin(kept, "7d")[0] == 200

        neighbour.process.kill()
        killed = time.monotonic()
        # Until NATS has seen the socket close, an order still goes to the dead process, and its outcome is unknown.
        neighbour.process.wait(timeout=30)
        time.sleep(0.5)
        status, answer = scene.pin(kept, "24h")
        assert (status, answer["error"]["message"]) == (500, "WhatsApp client is not connected")
        assert time.monotonic() - killed < 3, "long before an acknowledgement is given up"
        wait(lambda: scene.pin(kept, "24h")[0] == 200, TAKE_OVER_SECONDS, "the take-over")
        assert time.monotonic() - killed < TAKE_OVER_SECONDS
        assert first_holds(scene)

        neighbour = Second(scene, "earlier").wait_up()
        wait(neighbour.holds, what="the handing over")
        neighbour.process.terminate()
        # Its state is the former owner's until it connects.
        wait(lambda: first_holds(scene) and scene.pin(kept, "7d")[0] == 200, what="the handing back")
        assert neighbour.process.wait(timeout=60) == 0
        assert len(scene.ana.devices()) == 1, "no new code was needed"
    finally:
        neighbour.end()


def test_a_paused_connector_that_wakes_up_sends_nothing(scene: Scene, bob: Actor) -> None:
    first = scene.portal.pids()["connector"]
    kept = message(scene, bob, "while it stands still")
    wait(lambda: first_holds(scene), what="first")
    neighbour = Second(scene, "later").wait_up()
    try:
        before = scene.pins_sent()
        os.kill(first, signal.SIGSTOP)
        # An order that the paused one finds when it wakes up.
        status, _ = scene.pin(kept, "7d")
        assert status == 504, "nobody knows what the paused one has done with it"
        wait(neighbour.holds, TAKE_OVER_SECONDS, "the take-over")
        os.kill(first, signal.SIGCONT)
        time.sleep(3)
        assert scene.pins_sent() == before, "the former owner sends nothing"
        assert scene.instance("state") in ("connected", "connecting"), "nor do the two replace each other"
        # It enters anew, and gets its share back.
        wait(lambda: first_holds(scene), what="the handing back")
        assert scene.pin(kept, "30d")[0] == 200
        assert scene.pins_sent() == before + 1
    finally:
        os.kill(first, signal.SIGCONT)
        neighbour.end()


def test_a_caller_hears_early_that_the_connector_died(scene: Scene, bob: Actor) -> None:
    wait(lambda: first_holds(scene), what="first")
    kept = message(scene, bob, "nobody will know")
    scene.wa.acks.late(scene.ana, 10, edit="2")
    try:
        answers: list[tuple[int, Any]] = []
        asking = threading.Thread(target=lambda: answers.append(scene.pin(kept, "7d")))
        connector, before = scene.portal.pids()["connector"], scene.pins_sent()
        asking.start()
        wait(lambda: scene.pins_sent() > before, what="the pin on the wire")
        os.kill(connector, signal.SIGKILL)
        killed = time.monotonic()
        asking.join(60)
        # Left alone, it would wait for the four seconds of an acknowledgement.
        assert (answers[0][0], time.monotonic() - killed < 2.5) == (504, True)
        assert scene.pin_state(kept) == "unknown"
    finally:
        scene.wa.acks.normal(scene.ana)


def test_one_that_was_put_off_the_air_comes_back_once(scene: Scene, bob: Actor) -> None:
    before = message(scene, bob, "before")
    wait(lambda: scene.pin(before, "7d")[0] == 200, what="a connection")
    (device,) = scene.ana.devices()
    # As by a former owner that woke up: there have been others.
    neighbour = Second(scene, "later").wait_up()
    time.sleep(2)
    neighbour.end()
    scene.ana.stream_replaced(device)
    wait(lambda: scene.instance("state") == "replaced", what="off the air")
    wait(lambda: scene.pin(before, "24h")[0] == 200, 120, "the way back")

    scene.ana.stream_replaced(device)
    wait(lambda: scene.instance("state") == "replaced", what="off the air")
    time.sleep(8)
    assert scene.instance("state") == "replaced", "two that replace each other in turn would never end"
