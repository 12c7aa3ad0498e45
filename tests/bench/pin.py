"""What our HTTP pin costs over the library's bare `send_message` of the same pin."""

import time
from collections.abc import Iterator
from statistics import median, quantiles

from chats.pins import DURATIONS
from tests.bench.registry import Figure, at_most, bench
from tests.bench.stage import stage
from tests.e2e.scene import Scene
from tests.loopback import Actor

ROUNDS = 200
WARM_UP = 20
# Whichever is larger: this many times the bare one, or this much more.
TIMES, MORE_MS = 1.5, 10.0
# As the product opens its own store (instances/whatsapp/adapter/client.py); the two
# must not differ in how often they wait for the disk.
STORE = "?_foreign_keys=on&_journal_mode=WAL&_synchronous=FULL&_busy_timeout=10000&ignored="


@bench("pin")
def pin() -> Iterator[Figure]:
    """HTTP pins by the portal and bare pins by another account's client, turn about, of messages of the same contact.

    Each pin is a renewal with another duration, so that each is sent. The bare
    client is of another account: the portal would have to take its pins in.
    """
    with stage() as (scene, bob):
        carla = Actor(scene.wa, scene.wa.account("Carla", phone="5511999990003"), scene.folder, store_options=STORE)
        with carla:
            portals = [bob.send_text(scene.ana.jid, f"pin {number}") for number in range(3)]
            carlas = [bob.send_text(carla.jid, f"pin {number}") for number in range(3)]
            scene.stored(portals[-1], seconds=60)
            carla.wait_text("pin 2")
            rounds = [
                (_http(scene, portals[number % 3], number // 3), _bare(carla, bob, carlas[number % 3], number // 3))
                for number in range(ROUNDS + WARM_UP)
            ][WARM_UP:]
    http, bare = ([pair[side] for pair in rounds] for side in (0, 1))
    yield Figure("pin_http_median", median(http), "ms")
    yield Figure("pin_http_p99", quantiles(http, n=100)[98], "ms")
    yield Figure("pin_bare_median", median(bare), "ms")
    allowed = max(TIMES * median(bare), median(bare) + MORE_MS)
    yield Figure("pin_http_over_bare", median(http) / median(bare), "times", at_most(allowed / median(bare)))


def _http(scene: Scene, message_id: str, number: int) -> float:
    began = time.perf_counter()
    status, answer = scene.pin(message_id, list(DURATIONS)[number % 3])
    took = time.perf_counter() - began
    assert status == 200, answer
    return took * 1000


def _bare(client: Actor, bob: Actor, message_id: str, number: int) -> float:
    pin = {"id": message_id, "duration": list(DURATIONS.values())[number % 3], "from_me": False}
    sent = client.ask("send", to=bob.lid, kind="pin", args=pin)
    return float(sent["seconds"]) * 1000
