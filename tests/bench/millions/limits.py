"""Which limit a growing fleet reaches first, and at how many instances: from what was measured."""

from collections.abc import Iterator, Mapping

from instances.leases import LOOKED_AT
from tests.bench.millions.model import LEASE, Costs, World, stories
from tests.bench.millions.rows import EACH

# Assumed: a database of sixteen cores, half of which the fleet may cost at rest; 64 GiB for its connections.
CORES, SHARE = 16, 0.5
CONNECTIONS_MIB, BROKER_MIB = 64 * 1024, 16 * 1024
# Assumed: so many pieces of news an instance and minute (messages, receipts); each web process hears those of all.
NEWS_A_MINUTE = 1.0
LARGEST = 40_000

Line = tuple[str, float, str]


def costs_at(told: Mapping[str, float], size: int) -> Costs:
    """As measured at this size."""
    of = {name: told[f"{size}_{name}_database"] for name in ("beat", "look", "claim", "tidy", "bury", "state")}
    return Costs(**of, take=told[f"{size}_take_over_claim_database"])


def stories_at(told: Mapping[str, float], size: int) -> Iterator[Line]:
    """What happens to a fleet of this size."""
    connectors = round(told[f"{size}_connectors"])
    for name, what in stories(lambda: World(connectors, EACH, costs_at(told, size), CORES)):
        yield f"{size}_model_{name}_back", what.back, "s"
        yield f"{size}_model_{name}_database_wait", what.database_wait, "s"
        yield f"{size}_model_{name}_connecting", what.connecting, "instances"
        yield f"{size}_model_{name}_moves", what.moves, "connections"
        yield f"{size}_model_{name}_leases_lost", float(what.leases_lost), "times"


def limits(told: Mapping[str, float], sizes: list[int]) -> Iterator[Line]:
    """In instances."""
    most = sizes[-1]
    yield "limit_library_connections", CONNECTIONS_MIB / (2 * told["connection_memory"]), "instances"
    yield "limit_lease_at_rest", EACH * _most_connectors(told, sizes), "instances"
    yield "limit_broker_memory", BROKER_MIB * 1024 / told[f"nats_{most}_memory_each"], "instances"
    yield "limit_news_of_a_web_process", 1000 / told["web_news_each"] * 60 / NEWS_A_MINUTE, "instances"
    # Each minute that a transaction stays open makes a look dearer by so much.
    look = told[f"{most}_rest_database_cores"] * _part_of_looks(told, most)
    slope = told[f"{most}_backup_minute_look"] - 1
    free = CORES - told[f"{most}_rest_database_cores"]
    yield f"{most}_backup_minutes", free / (look * slope) if slope > 0 else float("inf"), "minutes"


def _most_connectors(told: Mapping[str, float], sizes: list[int]) -> int:
    """Until the lease costs its share of the database: a look costs more with each connector, all else does not."""
    rest = sum(told[f"{sizes[-1]}_{name}_database"] for name in ("beat", "claim", "tidy"))
    for connectors in range(10, LARGEST, 10):
        between = max(1.0, min(connectors / LOOKED_AT, LEASE / 2))
        if connectors * (rest + _look(told, sizes, connectors) / between) / 1000 > CORES * SHARE:
            return connectors
    return LARGEST


def _look(told: Mapping[str, float], sizes: list[int], connectors: int) -> float:
    """Milliseconds that a look costs with so many connectors: each is a row more."""
    few, many = sizes[0], sizes[-1]
    there = told[f"{few}_connectors"], told[f"{many}_connectors"]
    looks = told[f"{few}_look_database"], told[f"{many}_look_database"]
    return looks[0] + (looks[1] - looks[0]) / (there[1] - there[0]) * (connectors - there[0])


def _part_of_looks(told: Mapping[str, float], size: int) -> float:
    each = told[f"{size}_look_database"] / told[f"{size}_between_looks"]
    return each / told[f"{size}_rest_database_each"]
