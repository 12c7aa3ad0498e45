"""A piece of history of some kilobytes that is gigabytes when it is unpacked."""

import time
from pathlib import Path

import pytest

from tests.e2e.scene import open_scene, wait
from tests.loopback import Actor, LoopbackServer

pytestmark = pytest.mark.slow


def test_a_bomb_in_a_piece_of_history(tmp_path: Path) -> None:
    """The library unpacks whatever it gets: the connector ends, and its successor does not get it again."""
    with (
        LoopbackServer(tmp_path / "whatsapp") as wa,
        open_scene(wa, tmp_path / "scene", CONNECTOR_MEMORY_MB="900") as scene,
    ):
        bob = Actor(wa, wa.account("Bob", phone="5511999990002"), tmp_path / "bob")
        phone = Actor(wa, scene.ana, tmp_path / "bomber", label="bomber")
        with bob, phone:
            scene.stored(bob.send_text(scene.ana.jid, "before the bomb"))
            before = scene.portal.pids()["connector"]
            phone.send_bomb(scene.ana.jid, 1024)
            wait(lambda: scene.portal.pids().get("connector", before) != before, 60, "the connector's end")
            after = bob.send_text(scene.ana.jid, "after the bomb")
            scene.stored(after, seconds=60)
            survivor = scene.portal.pids()["connector"]
            time.sleep(3)
            assert scene.portal.pids()["connector"] == survivor, "once, and not again and again"
