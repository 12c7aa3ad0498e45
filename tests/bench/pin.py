"""What our HTTP pin costs over the library's bare `send_message` of the same pin."""

import time
from collections.abc import Iterator
from statistics import median, quantiles

from tests.bench.registry import Figure, at_most, bench
from tests.bench.stage import stage
from tests.e2e.scene import Scene
from tests.loopback import Actor

ROUNDS = 200
WARM_UP = 20
# Whichever is larger: this many times the bare one, or this much more.
TIMES, MORE_MS = 1.5, 10.0
# As the product opens its own store (instances/whatsapp/adapter.py); the two
# must not differ in how often they wait for the disk.
STORE = "?_foreign_keys=on&_journal_mode=WAL&_synchronous=FULL&_busy_timeout=10000&ignored="


@bench("pin")
def pin() -> Iterator[Figure]:
    """HTTP pins by the portal and bare pins by a second device of the same account, turn about."""
    with stage() as (scene, bob):
        phone = Actor(scene.wa, scene.ana, scene.folder, label="phone", store_options=STORE)
        with phone:
            ids = [bob.send_text(scene.ana.jid, f"pin {number}") for number in range(ROUNDS + WARM_UP)]
            scene.stored(ids[-1], seconds=60)
            rounds = [(_http(scene, each), _bare(phone, bob, each)) for each in ids][WARM_UP:]
    http, bare = ([pair[side] for pair in rounds] for side in (0, 1))
    yield Figure("pin_http_median", median(http), "ms")
    yield Figure("pin_http_p99", quantiles(http, n=100)[98], "ms")
    yield Figure("pin_bare_median", median(bare), "ms")
    allowed = max(TIMES * median(bare), median(bare) + MORE_MS)
    yield Figure("pin_http_over_bare", median(http) / median(bare), "times", at_most(allowed / median(bare)))


def _http(scene: Scene, message_id: str) -> float:
    began = time.perf_counter()
    status, answer = scene.pin(message_id, "7d")
    took = time.perf_counter() - began
    assert status == 200, answer
    return took * 1000


def _bare(phone: Actor, bob: Actor, message_id: str) -> float:
    sent = phone.ask("send", to=bob.lid, kind="pin", args={"id": message_id, "duration": 604_800, "from_me": False})
    return float(sent["seconds"]) * 1000
