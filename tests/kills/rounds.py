"""The rounds themselves."""

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.kills.account import Calling, Reckoning, Writing, reckon
from tests.kills.house import EmbeddedScene, KillScene, embedded_scene, kill_scene, until
from tests.loopback import Actor

# A connector that comes back waits for its predecessor's connection to be closed, and links up again.
BACK_SECONDS = 180.0


def run(rounds: int, seed: int | None = None, *, embedded: bool = False,
        tell: Callable[[str], None] = lambda _: None) -> Reckoning:  # fmt: skip
    """Kill so many times, and say what came of it. Raises AssertionError when the house does not come back.

    `embedded`: SQLite and the supervisor in place of separate processes on PostgreSQL and Valkey.
    """
    chance = random.Random(seed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kills-")))
        scene: KillScene | EmbeddedScene
        scene = stack.enter_context(embedded_scene(folder)) if embedded else stack.enter_context(kill_scene(folder))
        bob = stack.enter_context(Actor(scene.wa, scene.wa.account("Bob", "5511999990002"), folder))
        # Who writes and is written to at once loses messages to a fault of whatsmeow's (docs/wire.md).
        carla = stack.enter_context(Actor(scene.wa, scene.wa.account("Carla", "5511999990003"), folder))
        to_pin = carla.send_many(scene.ana.jid, max(100, rounds * 12), "pin me ")["ids"]
        scene.stored(to_pin[-1], seconds=240)
        writing, calling = Writing(bob, scene.ana.jid), Calling(scene, to_pin)
        for number, target in enumerate(_order(rounds, scene.targets, chance), 1):
            time.sleep(chance.uniform(0.3, 2))
            scene.kill(target)
            killed = time.monotonic()
            time.sleep(chance.uniform(0, 1))
            scene.bring_back(target)
            assert writing.goes_on, f"nobody writes any more, before a kill of {target} was over"
            assert until(lambda: _well(scene, writing), BACK_SECONDS), f"after a kill of {target}: {_why(scene)}"
            tell(f"round {number}: {target}, well again after {time.monotonic() - killed:.1f} s; "
                 f"{len(writing.ids)} messages, {len(calling.said)} pins")  # fmt: skip
        writing.end()
        calling.end()
        result = reckon(scene, [*to_pin, *writing.ids], calling.said, carla)
        if not result.clean:
            kept = Path(tempfile.mkdtemp(prefix="kills-logs-"))
            for name, log in scene.logs().items():
                (kept / name).write_text(log)
            tell(f"the logs are in {kept}")
        return result


def _order(rounds: int, targets: Sequence[str], chance: random.Random) -> Iterator[str]:
    """Each as often as the others, in any order."""
    while rounds > 0:
        yield from chance.sample(list(targets), min(rounds, len(targets)))
        rounds -= len(targets)


def _well(scene: KillScene | EmbeddedScene, writing: Writing) -> bool:
    """Whether the instance is connected, and what was written a moment ago is stored."""
    if scene.portal.get("/readyz")[0] != 200 or scene.instance("state") != "connected":
        return False
    newest = writing.ids[-1]
    return until(lambda: bool(scene.database.rows("SELECT 1 FROM chats_message WHERE message_id = ?", newest)), 5)


def _why(scene: KillScene | EmbeddedScene) -> str:
    return "\n".join(f"{name}:\n{log[-3000:]}" for name, log in scene.logs().items())
