"""A planned pin over the real wire, by the real worker; the clock is moved by moving what is due."""

import os
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.scene import Scene, pins_of, wait
from tests.loopback import Actor

pytestmark = pytest.mark.slow


def plan(scene: Scene, message_id: str, **fields: Any) -> str:
    """Schedule; returns the schedule's id."""
    body = {"messageId": message_id, **fields}
    answer: Any
    status, answer = scene.portal.post("/api/chat/schedulePin/shop", body, scene.token)
    assert status == 200, answer
    return str(answer["schedule"]["id"])


def soon(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def test_it_works(scene: Scene, bob: Actor) -> None:
    message_id = bob.send_text(scene.ana.jid, "pin me in a moment, and not for long")
    scene.stored(message_id)
    # The worker may be late: a pin whose end has come is none.
    plan(scene, message_id, pinAt=soon(1), until=soon(12))
    seen = wait(lambda: pins_of(bob, message_id), what="the planned pin")
    assert seen[0]["message"]["messageContextInfo"]["messageAddOnDurationInSecs"] == 86_400
    wait(lambda: scene.pin_state(message_id) == "unpinned", what="its end")
    # Acknowledged by the server a moment before the contact has it.
    wait(lambda: len(pins_of(bob, message_id)) == 2, what="the unpin at the contact's")


def test_a_worker_that_is_killed_loses_no_pin_and_makes_none_twice(scene: Scene, bob: Actor) -> None:
    message_id = bob.send_text(scene.ana.jid, "whatever happens")
    scene.stored(message_id)
    before = scene.pins_sent()
    # The acknowledgement takes its time, and the worker dies while it waits for it.
    scene.wa.acks.late(scene.ana, 1.5, edit="2")
    plan(scene, message_id, pinAt=soon(0.5), duration="7d")
    wait(lambda: scene.pins_sent() == before + 1, what="the stanza")
    os.kill(scene.portal.pids()["worker"], signal.SIGKILL)
    wait(lambda: scene.pin_state(message_id) == "pinned", what="the acknowledgement, which the connector hears")
    # The next worker takes the step up when the dead one's claim is over: that is now.
    query = "SELECT s.state FROM chats_schedule s JOIN chats_message m ON m.id = s.message_id WHERE m.message_id = ?"
    wait(lambda: scene.database.one(query, message_id) == "done", 90, what="the next worker")
    assert scene.pins_sent() == before + 1
