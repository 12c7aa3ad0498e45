"""The phone's history, through the real client: all of it, once, in order, also through a kill in the middle."""

# ruff: noqa: F811

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.e2e.own import wa  # noqa: F401
from tests.e2e.scene import Record, Scene, open_scene, wait
from tests.loopback import Actor, LoopbackServer

pytestmark = pytest.mark.slow

LONG_AGO = 1_700_000_000
BOB, CARLA = "5511999990002@s.whatsapp.net", "5511999990003@s.whatsapp.net"


@pytest.fixture(scope="module")
def scene(wa: LoopbackServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with open_scene(wa, tmp_path_factory.mktemp("history"), linked=False) as made:
        yield made


@pytest.fixture(scope="module")
def phone(wa: LoopbackServer, scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Actor]:
    """Ana's phone is a real client here: only a phone gives history. It links the portal."""
    with Actor(wa, scene.ana, tmp_path_factory.mktemp("phone"), primary=True) as actor:
        scene.link()
        yield actor


def past(count: int, prefix: str) -> list[Record]:
    """Messages of long ago, every third our own."""
    return [
        {
            "id": f"{prefix}{number:05}",
            "text": f"{prefix} number {number}",
            "from_me": number % 3 == 0,
            "timestamp": LONG_AGO + number,
            "push_name": "Bob",
        }
        for number in range(count)
    ]


def stored(scene: Scene, prefix: str) -> list[str]:
    query = "SELECT message_id FROM chats_message WHERE message_id LIKE ? ORDER BY sent_at, id"
    return [row[0] for row in scene.database.rows(query, f"{prefix}%")]


def test_it_works(scene: Scene, phone: Actor) -> None:
    phone.share_history(BOB, past(50, "OLD"), name="Bob")
    wait(lambda: len(stored(scene, "OLD")) == 50, what="the history")
    assert stored(scene, "OLD") == [f"OLD{number:05}" for number in range(50)]
    row = scene.stored("OLD00001", "from_me", "sender", "text", "kind")
    assert row == (False, BOB, "OLD number 1", "text")
    assert scene.stored("OLD00003", "from_me", "sender") == (True, scene.ana.jid)
    wait(lambda: scene.instance("history_percent") == 100, what="the progress")


def test_the_same_piece_again_is_nothing_new(scene: Scene, phone: Actor) -> None:
    phone.share_history(BOB, past(60, "OLD"), name="Bob")
    wait(lambda: len(stored(scene, "OLD")) == 60, what="the longer history")
    time.sleep(1)
    assert len(stored(scene, "OLD")) == 60


def test_a_message_of_the_past_is_pinned(scene: Scene, phone: Actor, wa: LoopbackServer) -> None:
    with Actor(wa, wa.account("Bob", phone="5511999990002"), scene.folder) as bob:
        phone.share_history(bob.jid, past(3, "PIN"))
        scene.stored("PIN00001")
        assert scene.pin("PIN00001", "30d")[0] == 200
        wait(lambda: any(event["edit"] == "2" for event in bob.received()), what="the pin at Bob's")


def test_killed_in_the_middle(scene: Scene, phone: Actor) -> None:
    # Looked up before: it takes its time on a busy machine, and the history may be through meanwhile.
    connector = scene.portal.pids()["connector"]
    phone.share_history(CARLA, past(4_000, "BIG"), name="Carla")
    wait(lambda: len(stored(scene, "BIG")) >= 200, 60, "the beginning")
    os.kill(connector, signal.SIGKILL)
    assert len(stored(scene, "BIG")) < 4_000, "it was through already: make it longer"
    wait(lambda: len(stored(scene, "BIG")) >= 4_000, 120, "the rest")
    time.sleep(1)
    assert stored(scene, "BIG") == [f"BIG{number:05}" for number in range(4_000)]
    pieces = scene.folder / "data" / "history"
    wait(lambda: not list(pieces.rglob("*.history")), what="the files to go")
