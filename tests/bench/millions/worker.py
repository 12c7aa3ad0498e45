"""`python -m tests.bench.millions.worker SIZE…`: what fleets of these sizes ask of the PostgreSQL of DATABASE_URL.

Prints a line of JSON a figure: [name, value, unit]. Every size is a database filled anew.
"""

import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import django
import psutil

Line = tuple[str, float, str]
# Of a cold start: how many connectors begin, and how many of them at the same moment.
COLD, THREADS = 160, 8
CONNECTIONS = 40
# Who runs the house reads all instances to search: more than so many take a minute, and show nothing new.
SEARCHED = 100_000


def main(sizes: list[int]) -> None:
    """Measure each."""
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    print(json.dumps(["connection_memory", connection_memory(), "MiB"]), flush=True)
    for size in sizes:
        began = time.monotonic()
        for name, value, unit in fleet(size):
            print(json.dumps([f"{size}_{name}", value, unit]), flush=True)
        print(f"{size} instances: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def connection_memory() -> float:
    """What PostgreSQL needs for a connection that nothing is asked of, as the library keeps two an instance (MiB)."""
    import psycopg
    from django.conf import settings

    with ExitStack() as stack:
        others = [stack.enter_context(psycopg.connect(settings.DATABASE_URL)) for _ in range(CONNECTIONS)]
        for other in others:
            # As for a session: some tables, by their names in a schema.
            for table in ("instances_instance", "instances_connector", "instances_account", "chats_chat"):
                other.execute(f"SELECT * FROM public.{table} LIMIT 1")  # names of our own
        pids = [other.info.backend_pid for other in others]
        return sum(psutil.Process(pid).memory_full_info().pss for pid in pids) / 2**20 / CONNECTIONS


def fleet(size: int) -> Iterator[Line]:
    """One size."""
    from tests.bench.millions.rows import fill

    began = time.monotonic()
    names = fill(size)
    yield "connectors", len(names), "connectors"
    for part in (rest, asked_by_pages, lost, while_a_transaction_is_open, cold):
        print(f"{time.monotonic() - began:.0f} s until {part.__name__}", file=sys.stderr, flush=True)
        yield from part(names)


def rest(names: list[str]) -> Iterator[Line]:
    """A tick of one connector when nothing happens, and of all of them together, each second."""
    from instances.whatsapp import housekeeping
    from tests.bench.millions.cost import cost, whole_table_reads
    from tests.bench.millions.rows import lease_of

    lease, first = lease_of(names[len(names) // 2]), lease_of(names[0])
    ticks = itertools.count(1)

    def look() -> None:
        lease._looked_at = float("-inf")
        lease.look_around()

    def tidy() -> None:
        housekeeping.run(next(ticks), len(names))

    held = list(lease.held)
    # Claims differ: with some of them it looks at its own. Housekeeping has its rounds.
    parts = {
        "beat": cost(lease.beat, 200),
        "look": cost(look, 50),
        "surplus": cost(lambda: lease.surplus(held), 50),
        "claim": cost(lease.claim, 120),
        "tidy": cost(tidy, 240),
    }
    for name, one in parts.items():
        yield f"{name}_database", one.database, "ms"
        yield f"{name}_connector", one.ours, "ms"
    between = max(1.0, lease._between_looks)
    yield "between_looks", between, "s"
    often = {"look": between, "surplus": between}
    each = sum(one.database / often.get(name, 1.0) for name, one in parts.items())
    yield "rest_database_each", each, "ms/s"
    yield "rest_database_cores", len(names) * each / 1000, "cores"
    yield "rest_connector", sum(one.ours / often.get(name, 1.0) for name, one in parts.items()) / 10, "% of a core"
    # By the first of all, and no other.
    first._claims = 0
    yield "sweep_database", cost(partial(_sweep, first), 3).database, "ms"
    asked: list[Callable[[], Any]] = [
        lease.beat, look, lambda: lease.surplus(held), lease.claim, lease.unplaced, partial(housekeeping.run, 600),
    ]  # fmt: skip
    yield "rest_whole_table_reads", sum(map(whole_table_reads, asked)), "statements"


def _sweep(first: Any) -> None:
    first._claims = 0
    first.claim()


def asked_by_pages(names: list[str]) -> Iterator[Line]:
    """What pages ask about all instances that their reader may see: whoever runs the house, and an account's own."""
    from chats.schedule import runner
    from instances import access, selectors
    from instances.events import book
    from instances.models import Instance
    from tests.bench.millions.cost import cost
    from tests.bench.millions.rows import EACH, people

    for who, user in zip(("root", "account"), people(), strict=True):
        questions = {
            "live": lambda user=user: access.heard_of(user),
            "home": lambda user=user: access.visible_to(user).exclude(jid="").exists(),
            "list": lambda user=user: list(selectors.listed(user)[:201]),
            "chats": lambda user=user: list(access.visible_to(user).order_by("name").values("uid", "name")[:30]),
            "search": lambda user=user: {one.pk: one for one in access.visible_to(user).order_by("name")},
        }
        if who == "root" and len(names) * EACH > SEARCHED:
            del questions["search"]
        for name, question in questions.items():
            asked = cost(question, 1 if who == "root" else 50, warm=name != "search")
            yield f"page_{name}_{who}_database", asked.database, "ms"
            if name in ("live", "search"):
                yield f"page_{name}_{who}_web", asked.ours, "ms"
    account = Instance.objects.values_list("account", flat=True)[0]
    yield "api_list_database", cost(lambda: list(Instance.objects.filter(account=account)), 50).database, "ms"
    yield "metrics_database", cost(lambda: (book.lag(), runner.lag()), 50).database, "ms"


def lost(names: list[str]) -> Iterator[Line]:
    """One connector dies: what it costs to bury it, and all others to take its instances, each its share."""
    from instances import leases
    from instances.models import Connector, Instance
    from instances.whatsapp.stating import save_state
    from tests.bench.millions.cost import cost
    from tests.bench.millions.rows import lease_of

    sample = [lease_of(name) for name in names[1 : min(len(names), 13)]]
    dead = Connector.objects.get(name=names[-1])
    bury = cost(partial(leases.bury, dead), 1, warm=False)
    yield "bury_database", bury.database, "ms"
    for lease in sample:
        lease._claims = 1
    # Its share of what is free, as each of the others has it.
    claims = sum(cost(lease.claim, 1, warm=False).database for lease in sample) / len(sample)
    yield "take_over_claim_database", claims, "ms"
    yield "take_over_database", (bury.database + claims * (len(names) - 1)) / 1000, "core s"
    instance = Instance.objects.filter(owner=names[1])[0]
    yield "state_database", cost(lambda: save_state(instance), 100).database, "ms"


def while_a_transaction_is_open(names: list[str]) -> Iterator[Line]:
    """Beats leave old rows behind, which stay for as long as a transaction is open that may see them: a backup."""
    import psycopg
    from django.conf import settings
    from django.db import connection

    from tests.bench.millions.cost import cost
    from tests.bench.millions.rows import lease_of

    lease = lease_of(names[1])

    def look() -> None:
        lease._looked_at = float("-inf")
        lease.look_around()

    before = cost(look, 20).database
    with psycopg.connect(settings.DATABASE_URL) as other:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT 1")
        with connection.cursor() as cursor:
            for _ in range(60):
                cursor.execute("UPDATE instances_connector SET beat = beat + 1")
        yield "backup_minute_look", cost(look, 20).database / before, "times"
        yield "backup_minute_beat", cost(lease.beat, 20).database, "ms"
    with connection.cursor() as cursor:
        cursor.execute("VACUUM FULL instances_connector")


def cold(names: list[str]) -> Iterator[Line]:
    """All begin at once: a tick of some connectors that hold nothing yet, on some threads."""
    from django.db import connection

    from instances.models import Connector, Instance
    from tests.bench.millions.cost import spent
    from tests.bench.millions.rows import entered, settle

    Instance.objects.filter(owner__in=names[: max(COLD, len(names) // 10)]).update(owner="")
    Connector.objects.update(**({"held": {}} if hasattr(Connector, "held") else {}))
    settle()
    free = Instance.objects.filter(owner="").count()
    spare = iter(names)

    def work() -> tuple[int, int, float]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            backend = int(cursor.fetchone()[0])
        began, taken, ticks = spent(backend), 0, 0
        for name in itertools.islice(spare, COLD // THREADS):
            lease = entered(name)
            lease.beat()
            lease.look_around()
            taken, ticks = taken + len(lease.claim()), ticks + 1
        try:
            return taken, ticks, spent(backend) - began
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        done = [one.result() for one in [pool.submit(work) for _ in range(THREADS)]]
    taken, ticks, seconds = (sum(one[n] for one in done) for n in range(3))
    yield "cold_tick_database", seconds * 1000 / ticks, "ms"
    yield "cold_taken_a_tick", taken / ticks, "instances"
    yield "cold_taken_twice", taken - (free - Instance.objects.filter(owner="").count()), "instances"


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]])
