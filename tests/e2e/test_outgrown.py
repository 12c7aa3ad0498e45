"""The portal that has outgrown its defaults: PostgreSQL, a NATS and a Valkey of others, two web processes."""

import http.client
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.e2e.database import PortalDatabase
from tests.e2e.scene import Scene, wait
from tests.loopback import Actor, LoopbackServer

# It brings its own PostgreSQL, whichever database the suite runs on.
pytestmark = [pytest.mark.slow, pytest.mark.sqlite_only]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, nats_url: str, cache_url: str) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("outgrown")
    with LoopbackServer(folder / "whatsapp") as wa, postgres.server() as database_url:
        made = Scene(
            wa, folder, PortalDatabase(folder / "data", database_url),
            NATS_URL=nats_url, CACHE_URL=cache_url, WEB_PROCESSES="2",
        )  # fmt: skip
        try:
            made.link()
            yield made
        finally:
            made.portal.stop()


def test_it_works(scene: Scene) -> None:
    with Actor(scene.wa, scene.wa.account("Bob", phone="5511999990002"), scene.folder) as bob:
        message_id = bob.send_text(scene.ana.jid, "as before")
        scene.stored(message_id)
        assert scene.pin(message_id, "7d")[0] == 200
        assert scene.pin_state(message_id) == "pinned"
        wait(lambda: any(event["edit"] == "2" for event in bob.received()), what="the pin at Bob's")


def test_nothing_of_the_defaults_is_used(scene: Scene) -> None:
    assert not (scene.folder / "data" / "portal.sqlite3").exists()
    assert "nats" not in scene.portal.pids(), "the nats-server that was there is used"


def test_one_bucket_for_both_web_processes(scene: Scene) -> None:
    """Each connection may meet the other process; the figures must go on all the same."""
    remaining = []
    for _ in range(12):
        connection = http.client.HTTPConnection("127.0.0.1", scene.portal.port, timeout=20)
        connection.request("GET", "/api/nothing", headers={"token": scene.token})
        answer = connection.getresponse()
        answer.read()
        remaining.append(int(answer.headers["X-RateLimit-Remaining"]))
        connection.close()
    steps = [before - after for before, after in itertools.pairwise(remaining)]
    # A new minute may begin once meanwhile.
    assert sum(step != 1 for step in steps) <= 1, remaining
