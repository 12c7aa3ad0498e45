"""A connector killed while messages pour in: each of them is there all the same, once, and readable."""

import os
import signal
import time
from collections import Counter

import pytest

from tests.e2e.scene import Scene, wait
from tests.loopback import Actor
from tests.processes import alive

pytestmark = pytest.mark.slow

# The contact's library can send anew what is among its last 256 messages (whatsmeow, retry.go: recentMessagesSize);
# a phone has them all.
BURST = 240


def kill_connector(scene: Scene) -> None:
    """End the connector at once, and wait until another one is up."""
    old = scene.portal.pids()["connector"]
    os.kill(old, signal.SIGKILL)
    wait(lambda: not alive(old), what="the connector's end")
    wait(lambda: scene.portal.pids().get("connector", old) != old, what="a new connector")


def missing(scene: Scene, ids: list[str]) -> set[str]:
    """Those of the messages that are not there, or cannot be read."""
    query = "SELECT message_id FROM chats_message WHERE kind = 'text'"
    return set(ids) - {row[0] for row in scene.database.rows(query)}


def settle(scene: Scene, ids: list[str], seconds: float = 120) -> None:
    """Wait until every message is there, then see that none is there twice."""
    deadline = time.monotonic() + seconds
    while (lost := missing(scene, ids)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not lost, (
        f"{len(lost)} of {len(ids)} messages were lost\n{scene.instance('state_detail')}{scene.portal.err[-6000:]}"
    )
    rows = Counter(row[0] for row in scene.database.rows("SELECT message_id FROM chats_message"))
    assert not [one for one in ids if rows[one] != 1]


def test_it_works(scene: Scene, bob: Actor) -> None:
    scene.stored(bob.send_text(scene.ana.jid, "the first"))
    burst = bob.submit("send_many", to=scene.ana.jid, count=BURST, prefix="in a burst ")
    for moment in (0.3, 0.5):
        time.sleep(moment)
        kill_connector(scene)
    settle(scene, burst.result(60)["ids"])


def test_while_the_database_takes_nothing(scene: Scene, bob: Actor) -> None:
    scene.stored(bob.send_text(scene.ana.jid, "the first"))
    with scene.database.held():
        ids = bob.send_many(scene.ana.jid, BURST, "nobody writes these down ")["ids"]
        wait(lambda: scene.ana.waiting(min(scene.ana.devices())) < BURST - 100, what="the connector's taking them")
        time.sleep(1)
        kill_connector(scene)
    settle(scene, ids)


def test_in_a_group(scene: Scene, bob: Actor, group: str) -> None:
    scene.stored(bob.send_text(group, "the first"))
    with scene.database.held():
        ids = bob.send_many(group, 50, "for all of us ")["ids"]
        time.sleep(1)
        kill_connector(scene)
    settle(scene, ids)
