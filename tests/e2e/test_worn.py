"""A connector in which many clients have come and gone ends by itself and is started anew."""

import time
from pathlib import Path

import pytest

from tests.e2e.scene import open_scene, wait
from tests.loopback import Actor, LoopbackServer

pytestmark = pytest.mark.slow


def test_a_worn_connector_is_replaced_without_a_new_code(tmp_path: Path) -> None:
    with (
        LoopbackServer(tmp_path / "whatsapp") as wa,
        open_scene(wa, tmp_path / "scene", CONNECTOR_CLIENTS="3") as scene,
        Actor(wa, wa.account("Bob", phone="5511999990002"), tmp_path / "bob") as bob,
    ):
        worn = scene.portal.pids()["connector"]
        devices = scene.ana.devices()
        for _ in range(2):
            scene.ask("disconnect")
            scene.ask("connect")
        scene.ask("disconnect")
        wait(lambda: scene.portal.pids().get("connector", worn) != worn, 90, "another connector")
        wait(lambda: scene.instance("owner"), 90, "its start")
        time.sleep(1)
        scene.ask("connect")
        wait(lambda: scene.instance("state") == "connected", 90, "the way back")
        message = bob.send_text(scene.ana.jid, "after the change")
        scene.stored(message)
        assert scene.pin(message, "7d")[0] == 200
        assert scene.ana.devices() == devices, "no new code was needed"
