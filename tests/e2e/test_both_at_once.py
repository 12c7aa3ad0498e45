"""A contact who writes without a pause, while we pin what they wrote: what is said to be pinned is what they see."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.scene import Scene, open_scene
from tests.kills.account import Writing, pins_seen
from tests.kills.house import until
from tests.loopback import Actor, LoopbackServer

pytestmark = [pytest.mark.slow, pytest.mark.sqlite_only]

# With 200, and a pause of 5 ms, the fault shows in two runs of three (docs/wire.md). But in a flood beyond what a busy
# machine takes in it can still happen, so here it is less; `test_custody` has the order itself.
PINS = 120


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with LoopbackServer(tmp_path / "whatsapp") as wa, open_scene(wa, tmp_path) as made:
        yield made


def test_what_is_acknowledged_is_seen(scene: Scene, tmp_path: Path) -> None:
    """Was red: up to 8 of 200 such pins were never shown."""
    with Actor(scene.wa, scene.wa.account("Bob", phone="5511999990002"), tmp_path) as bob:
        to_pin = bob.send_many(scene.ana.jid, PINS, "pin me while I write ")["ids"]
        scene.stored(to_pin[-1], seconds=240)
        writing = Writing(bob, scene.ana.jid, pause=0.015)
        done = {message_id for message_id in to_pin if scene.pin(message_id, "7d")[0] == 200}
        writing.end()
        assert len(done) > PINS / 6
        until(lambda: done <= set(pins_seen(bob)), 90)
        assert not done - set(pins_seen(bob)), f"of {len(done)} pins"
