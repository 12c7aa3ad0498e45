"""A contact floods the account: others get through, the portal answers, and of the flood itself nothing is lost."""

import time
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.scene import Scene, open_scene, pins_of, wait
from tests.loopback import Actor, LoopbackServer

pytestmark = pytest.mark.slow

# As fast as one client can send: 450 to 600 a second on a machine of its own, more than is taken in.
MESSAGES = 3_000


def test_a_flood(tmp_path: Path) -> None:
    with (
        LoopbackServer(tmp_path / "whatsapp") as wa,
        # As it is by default: an acknowledgement stands in one line with the flood.
        open_scene(wa, tmp_path / "scene", ACK_TIMEOUT_SECONDS="15") as scene,
        Actor(wa, wa.account("Bob", phone="5511999990002"), tmp_path / "bob") as bob,
        Actor(wa, wa.account("Carla", phone="5511999990003"), tmp_path / "carla") as carla,
    ):
        flooded(scene, bob, carla)


def flooded(scene: Scene, bob: Actor, carla: Actor) -> None:
    hers = carla.send_text(scene.ana.jid, "before the flood")
    scene.stored(hers)
    began = scene.database.one("SELECT count(*) FROM chats_message")
    flood = bob.submit("send_many", to=scene.ana.jid, count=MESSAGES, prefix="flood ")
    wait(lambda: scene.database.one("SELECT count(*) FROM chats_message") > began + 200, 60, "the flood")
    late: list[float] = []
    outcomes: list[int] = []
    while not flood.done():
        before = time.monotonic()
        assert scene.portal.get("/healthz")[0] == 200
        outcomes.append(scene.pin(hers, "24h" if len(outcomes) % 2 == 0 else None)[0])
        late.append(time.monotonic() - before)
        time.sleep(0.5)
    ids = flood.result(300)["ids"]
    also = carla.send_text(scene.ana.jid, "in the flood")
    scene.stored(also, seconds=120)
    wait(lambda: not missing(scene, ids), 120, "all of the flood")
    rows = Counter(one for (one,) in scene.database.rows("SELECT message_id FROM chats_message"))
    assert all(rows[one] == 1 for one in ids), "nothing double"
    assert outcomes, "somebody pinned meanwhile"
    # Acknowledgements stand in the same line as the flood: one that waits too long is said to be unknown, and is
    # known when it comes.
    assert set(outcomes) <= {200, 504}, outcomes
    wait(
        lambda: scene.pin_state(hers) == ("pinned" if len(outcomes) % 2 else "unpinned"), 60, "what was asked for last"
    )
    assert scene.pin(hers, "7d")[0] == 200, "and all is as before"
    wait(lambda: len(pins_of(carla, hers)) == scene.pins_sent(), what="as many pins at the contact's as were sent")
    print(f"{Counter(outcomes)} meanwhile, the slowest {max(late):.1f} s")


def missing(scene: Scene, ids: list[str]) -> set[str]:
    found = scene.database.rows("SELECT message_id FROM chats_message WHERE kind = 'text'")
    return set(ids) - {one for (one,) in found}
