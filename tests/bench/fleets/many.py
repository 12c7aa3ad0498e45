"""How soon a neighbour has all the instances of one that held hundreds, and was killed.

Both run on this machine and share a folder with the keys (which in PostgreSQL
would be two connections an instance, a thousand). The first comes alone and
holds all; the other one is there for a moment when the first is killed.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from tests import postgres
from tests.bench.fleets.twins import Files, Twins, enter
from tests.bench.stage import stage
from tests.e2e.scene import Scene, wait
from tests.e2e.second import Second
from tests.nats_server import nats_server

PATIENCE_SECONDS = 300.0
LOOK_SECONDS = 0.1
# What the project promises from a connector's death on.
PROMISED_SECONDS = 10.0


def take_over(size: int) -> tuple[float, float, int]:
    """Seconds from the kill until the neighbour holds all, and until all are connected; how many were after ten."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-nats-") as nats,
        nats_server(Path(nats)) as url,
        # Both know the database by its address: SQLite's would lie in the folder of one of them.
        postgres.server() as database,
        patch.dict(os.environ, DATABASE_URL=database),
        stage(NATS_URL=url) as (scene, _),
        _keys(scene, size) as folder,
        ExitStack() as running,
    ):
        first = _running(running, scene, "first", folder)
        wait(lambda: _connected(scene, "first", 0) == size, PATIENCE_SECONDS, "all connected")
        _running(running, scene, "other", folder)
        wait(lambda: _held(scene, "other"), PATIENCE_SECONDS, "the first that is handed over")
        first.process.kill()
        return _watch(scene, size)


def _running(until: ExitStack, scene: Scene, name: str, folder: Path) -> Second:
    """A connector that is up, and ended with `until`."""
    made = Second(scene, name, DATA_DIR=str(folder))
    until.callback(made.end)
    return made.wait_up()


@contextmanager
def _keys(scene: Scene, size: int) -> Iterator[Path]:
    """A folder that two connectors share, with the keys of so many."""
    folder = scene.folder / "shared"
    sessions = folder / "sessions"
    sessions.mkdir(parents=True, mode=0o700)
    twins, stores = Twins(scene.ana).make(size), Files(scene.folder / "data" / "sessions", sessions)
    for twin in twins:
        stores.make(twin)
    enter(scene.portal.environment | {"DATA_DIR": str(folder)}, twins)
    yield folder


def _watch(scene: Scene, size: int) -> tuple[float, float, int]:
    killed, moment = time.monotonic(), time.time()
    # The few that it was given before.
    size -= (early := _held(scene, "other"))
    taken, in_time = 0.0, 0
    while True:
        after = time.monotonic() - killed
        if not taken and _held(scene, "other") >= size + early:
            taken = after
        connected = _connected(scene, "other", moment)
        if after <= PROMISED_SECONDS:
            in_time = connected
        if connected >= size:
            return taken or after, after, in_time
        assert after < PATIENCE_SECONDS, f"{connected} of {size} are connected"
        time.sleep(LOOK_SECONDS)


def _held(scene: Scene, owner: str) -> int:
    return int(scene.database.one("SELECT count(*) FROM instances_instance WHERE owner = ?", owner))


def _connected(scene: Scene, owner: str, since: float) -> int:
    """How many have become connected there after a time in Unix seconds: until then a row says what was so before."""
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(since))
    query = "SELECT count(*) FROM instances_instance WHERE owner = ? AND state = 'connected' AND state_at >= ?"
    return int(scene.database.one(query, owner, moment))
