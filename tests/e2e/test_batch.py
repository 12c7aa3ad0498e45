"""Many pins together over the real wire, by the real worker, which is killed on the way."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.scene import open_scene, pins_of, wait
from tests.loopback import Actor, LoopbackServer

pytestmark = pytest.mark.slow
MESSAGES = 12


def test_a_worker_that_is_killed_loses_no_pin_and_makes_none_twice(tmp_path: Path) -> None:
    with (
        LoopbackServer(tmp_path / "whatsapp") as wa,
        open_scene(wa, tmp_path, BATCH_PACE_SECONDS="0") as scene,
        Actor(wa, wa.account("Bob", phone="5511999990002"), tmp_path) as bob,
    ):
        ids = [bob.send_text(scene.ana.jid, f"message {number}") for number in range(MESSAGES)]
        scene.stored(ids[-1])
        # Each acknowledgement takes its time, so that the worker dies while it waits for one.
        scene.wa.acks.late(scene.ana, 0.3, times=MESSAGES, edit="2")
        answer: Any
        body = {"action": "pin", "messageIds": ids, "duration": "7d"}
        status, answer = scene.portal.post("/api/chat/pinMany/shop", body, scene.token)
        assert status == 200, answer
        wait(lambda: scene.pins_sent() >= 3, what="the first pins")
        os.kill(scene.portal.pids()["worker"], signal.SIGKILL)
        # The one that it had begun is taken up when its claim is over.
        query = "SELECT state FROM chats_batch"
        wait(lambda: scene.database.one(query) == "done", 120, what="the end of the batch")
        items = scene.database.rows("SELECT called, state FROM chats_batchitem ORDER BY id")
        assert items == [(message_id, "done") for message_id in ids]
        wait(lambda: all(pins_of(bob, message_id) for message_id in ids), what="the pins at the contact's")
        assert scene.pins_sent() == MESSAGES
