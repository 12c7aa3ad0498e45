"""A fleet of ten thousand, a hundred thousand and a million instances, without WhatsApp; the table in docs/scaling.md.

MILLION_SIZES=10000,100000,1000000 can be made smaller; the table is written at the full size only.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

from tests import postgres
from tests.bench.millions.broker import broker
from tests.bench.millions.limits import limits, stories_at
from tests.bench.millions.page import write
from tests.bench.registry import Bar, Figure, at_most, bench

FULL = [10_000, 100_000, 1_000_000]
SIZES = [int(size) for size in os.environ["MILLION_SIZES"].split(",")] if "MILLION_SIZES" in os.environ else FULL
# What a database has that is a machine of its own; the rest as in tests.
SERVER = (*postgres.FAST, "shared_buffers=1GB")

# Of figures of each size, by the end of their names.
BARS = {
    # Of the sixteen that the model's database has.
    "_rest_database_cores": at_most(4),
    "_rest_whole_table_reads": at_most(0),
    "_cold_taken_twice": at_most(0),
    "_model_one_dead_back": at_most(10),
    "_leases_lost": at_most(0),
    "_memory_each": at_most(1.5),
}


@bench("million")
def million() -> Iterator[Figure]:
    """The database, the broker, and the model that puts both together."""
    told: list[Figure] = []
    for figure in _all(values := {}):
        told.append(figure)
        values[figure.name.removeprefix("million_")] = figure.value
        yield figure
    if SIZES == FULL:
        write(told, SIZES)


def _all(values: dict[str, float]) -> Iterator[Figure]:
    yield from _database()
    for name, value, unit in broker(SIZES):
        yield _figure(name, value, unit)
    few, many = SIZES[0], SIZES[-1]
    growth = values[f"{many}_rest_database_each"] / values[f"{few}_rest_database_each"]
    yield Figure("million_rest_database_growth", growth, "times", at_most(2))
    growth = values[f"nats_{many}_order_p50"] / values["nats_0_order_p50"]
    yield Figure("million_nats_order_growth", growth, "times", at_most(2))
    for size in SIZES:
        for name, value, unit in stories_at(values, size):
            yield _figure(name, value, unit)
    for name, value, unit in limits(values, SIZES):
        yield _figure(name, value, unit)


def _database() -> Iterator[Figure]:
    with postgres.serving(SERVER) as server:
        command = [sys.executable, "-m", "tests.bench.millions.worker", *map(str, SIZES)]
        environment = {**os.environ, "DATABASE_URL": server.url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            for line in process.stdout:
                yield _figure(*json.loads(line))
        if process.returncode:
            raise SystemExit(f"the measurement of the database ended with {process.returncode}")


def _figure(name: str, value: float, unit: str) -> Figure:
    bar: Bar | None = next((bar for end, bar in BARS.items() if name.endswith(end)), None)
    return Figure(f"million_{name}", value, unit, bar)
