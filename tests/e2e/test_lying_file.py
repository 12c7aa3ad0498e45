"""A file that is far longer than its sender said: it ends the connector once, and not with each click."""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from instances.whatsapp.errors import MediaTooHeavy
from tests.e2e.scene import Scene, open_scene, wait
from tests.loopback import Actor, LoopbackServer

pytestmark = pytest.mark.slow

# The library reads it whole; the connector may have less.
LENGTH, MOST_MB = 1_000_000_000, "900"


def ask(scene: Scene, message_id: str) -> tuple[int, str]:
    """GET media for "shop": the status, and the sentence of an error."""
    address = f"{scene.portal.url}/api/chat/media/shop?messageId={message_id}"
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers={"token": scene.token})) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())["error"]["message"]


def test_it_works(tmp_path: Path) -> None:
    with (
        LoopbackServer(tmp_path / "whatsapp") as wa,
        open_scene(wa, tmp_path / "scene", CONNECTOR_MEMORY_MB=MOST_MB) as scene,
        Actor(wa, wa.account("Bob", phone="5511999990002"), tmp_path / "bob") as bob,
    ):
        lying = bob.send_file(scene.ana.jid, "document", b"little", mimetype="text/plain", fileName="a.txt")
        honest = bob.send_file(scene.ana.jid, "document", b"honest", mimetype="text/plain", fileName="b.txt")
        scene.stored(honest["id"])
        wa.media.only(lying["path"]).content = bytes(LENGTH)
        before = scene.portal.pids()["connector"]
        assert ask(scene, lying["id"])[0] >= 500
        wait(lambda: scene.portal.pids().get("connector", before) != before, 120, "the connector's end")
        scene.stored(bob.send_text(scene.ana.jid, "after it"), seconds=120)
        survivor = scene.portal.pids()["connector"]
        for _ in range(3):
            assert ask(scene, lying["id"]) == (413, MediaTooHeavy.sentence)
        assert ask(scene, honest["id"])[0] == 200
        time.sleep(1)
        assert scene.portal.pids()["connector"] == survivor
