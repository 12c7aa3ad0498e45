"""Many instances on one connector, beside Baileys, and connectors that are killed; the table in docs/fleet.md.

FLEET_SIZES=1,100,500 and FLEET_KILLS=50 can be made smaller; the table is written at the full size only.
"""

import itertools
import os
import sys
import time
from collections.abc import Iterator
from statistics import median, quantiles

from chats.pins import DURATIONS
from tests.bench.fleets import kills, many, page
from tests.bench.fleets.baileys import HOME, Baileys
from tests.bench.fleets.instances import REST_SECONDS, Fleet
from tests.bench.registry import Figure, at_least, at_most, bench
from tests.bench.stage import stage
from tests.e2e.scene import Scene
from tests.loopback import Actor

FULL = [1, 100, 500]
SIZES = [int(size) for size in os.environ["FLEET_SIZES"].split(",")] if "FLEET_SIZES" in os.environ else FULL
KILLS = int(os.environ.get("FLEET_KILLS", "50"))
ROUNDS, RATE_SECONDS = 300, 10.0
BAILEYS_ROUNDS, BAILEYS_WARM_UP, BAILEYS_MORE = 150, 15, 10
BAILEYS_PHONE = 5_511_970_000_000

MEMORY_MIB, TIMES_BAILEYS, GROWTH, TAKE_OVER_SECONDS = 3.0, 15.0, 1.3, 10.0


@bench("fleet")
def fleet() -> Iterator[Figure]:
    """Everything, on SQLite and files but for the kills, which are of connectors that share a PostgreSQL."""
    told = []
    for figure in itertools.chain(_instances(), _kills(), _many()):
        told.append(figure)
        yield figure
    if SIZES == FULL:
        page.write(told)


def _instances() -> Iterator[Figure]:
    latency: dict[int, float] = {}
    memory: dict[int, float] = {}
    theirs: dict[str, float] = {}
    # The scene's own limit is for tests that wait for it.
    with stage(ACK_TIMEOUT_SECONDS="20") as (scene, bob):
        instances = Fleet(scene, bob)
        for size in SIZES:
            instances.grow(size)
            instances.latency(ROUNDS // 10)
            latency[size], p99 = instances.latency(ROUNDS)
            memory[size] = instances.memory()
            yield Figure(f"fleet_{size}_pin_p50", latency[size], "ms")
            yield Figure(f"fleet_{size}_pin_p99", p99, "ms")
            yield Figure(f"fleet_{size}_connector", memory[size], "MiB")
            if size == SIZES[0]:
                for figure in _baileys(scene, bob, instances):
                    theirs[figure.name] = figure.value
                    yield figure
            else:
                yield Figure(f"fleet_{size}_memory_each", memory[size] / size, "MiB", at_most(MEMORY_MIB))
        first, *_, few, many = SIZES
        yield Figure("fleet_pin_p50_growth", latency[many] / latency[first], "times", at_most(GROWTH))
        further = (memory[many] - memory[few]) / (many - few)
        yield Figure("fleet_memory_each_further", further, "MiB", at_most(MEMORY_MIB))
        if theirs:
            times = theirs["fleet_baileys_process"] / (memory[many] / many)
            yield Figure("fleet_baileys_memory_over_ours", times, "times", at_least(TIMES_BAILEYS))
        rate, unconfirmed = instances.rate(RATE_SECONDS)
        yield Figure("fleet_pins_by_all", rate, "pins/s")
        yield Figure("fleet_pins_by_all_unconfirmed", unconfirmed, "pins", at_most(0))
        yield Figure(f"fleet_{many}_from_cold", instances.cold(), "s")


def _baileys(scene: Scene, bob: Actor, instances: Fleet) -> Iterator[Figure]:
    """Turn about: a pin of ours over HTTP, and one of an account that Baileys holds; the contact is the same."""
    if not HOME.joinpath("node_modules").exists():
        print(f"Baileys is not here and is left out: npm ci --prefix {HOME}", file=sys.stderr)
        return
    phones = map(str, range(BAILEYS_PHONE, BAILEYS_PHONE + BAILEYS_MORE + 1))
    first, *others = (scene.wa.account(f"Carla {phone}", phone) for phone in phones)
    with Baileys(scene.wa, scene.folder / "baileys") as baileys:
        baileys.link(first)
        key = baileys.message(bob.send_text(first.jid, "for Baileys"))
        seconds = itertools.cycle(DURATIONS.values())
        rounds = [
            (instances.pin("shop"), *baileys.pin(first, key, next(seconds)))
            for _ in range(BAILEYS_ROUNDS + BAILEYS_WARM_UP)
        ][BAILEYS_WARM_UP:]
        ours, returned, acknowledged = (median(times) for times in zip(*rounds, strict=True))
        yield Figure("fleet_pin_beside_baileys", ours, "ms")
        yield Figure("fleet_baileys_pin_acknowledged", acknowledged, "ms")
        yield Figure("fleet_baileys_pin_returned", returned, "ms")
        yield Figure("fleet_pin_over_baileys", ours / acknowledged, "times", at_most(1.0))
        time.sleep(REST_SECONDS)
        alone = baileys.memory()
        yield Figure("fleet_baileys_process", alone, "MiB")
        for other in others:
            baileys.link(other)
            baileys.message(bob.send_text(other.jid, "for Baileys"))
        time.sleep(REST_SECONDS)
        yield Figure("fleet_baileys_memory_each_further", (baileys.memory() - alone) / len(others), "MiB")


def _kills() -> Iterator[Figure]:
    took, new_codes = kills.times(KILLS)
    yield Figure("fleet_take_over_p50", median(took), "s")
    yield Figure("fleet_take_over_p99", quantiles(took, n=100)[98], "s")
    yield Figure("fleet_take_over_longest", max(took), "s", at_most(TAKE_OVER_SECONDS))
    yield Figure("fleet_take_over_new_codes", new_codes, "codes", at_most(0))


def _many() -> Iterator[Figure]:
    size = SIZES[-1]
    taken, connected, in_time = many.take_over(size)
    yield Figure(f"fleet_take_over_of_{size}_taken", taken, "s", at_most(TAKE_OVER_SECONDS))
    yield Figure(f"fleet_take_over_of_{size}_connected", connected, "s")
    yield Figure("fleet_take_over_connected_in_10_s", in_time, "instances")
