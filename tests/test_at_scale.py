"""What a connector and a page ask all the time reads what it needs, however many instances and connectors there are.

A few thousand rows show it: the database would read all of them. `make bench ONLY=million` has the million.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.utils import timezone

from chats.media import cache
from chats.search import forget_old
from instances import access, leases, selectors
from instances.leases import Lease
from instances.models import Account, Connector, Instance, Membership
from instances.states import State
from instances.whatsapp import housekeeping
from instances.whatsapp.connector import Connector as Connector_
from portal import clock

INSTANCES, EACH = 4_000, 40
# Of a tick: its own, twice, and some.
READ = 3 * EACH


class Statements:
    """Each statement, with how many rows of the instances' table it touched, or whether it read all of it."""

    def __init__(self) -> None:
        self.read: dict[str, int] = {}

    def __call__(self, execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if "instances_instance" in sql and sql.startswith(("SELECT", "UPDATE", "DELETE")):
            self.read[sql] = max(self.read.get(sql, 0), _read(sql, parameters))
        return execute(sql, parameters, many, context)


def _read(sql: str, parameters: Any) -> int:
    """Rows of instances that the database reads for it, by its own plan (SQLite: all of them, or as good as none)."""
    lite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        # To analyze is to carry out, which the statement itself does afterwards.
        cursor.execute("SAVEPOINT explained")
        cursor.execute(f"EXPLAIN {'QUERY PLAN' if lite else '(ANALYZE, FORMAT JSON)'} {sql}", parameters)
        told = cursor.fetchall()
        cursor.execute("ROLLBACK TO SAVEPOINT explained")
    if lite:
        return INSTANCES if any(_scans(str(line[-1])) for line in told) else 0
    (plan,) = told[0][0] if isinstance(told[0][0], list) else json.loads(told[0][0])
    return sum(_rows(plan["Plan"]))


def _scans(line: str) -> bool:
    return line.startswith("SCAN instances_instance") and " USING " not in line


def _rows(node: dict[str, Any]) -> Iterator[int]:
    if node.get("Relation Name") == "instances_instance" and "Scan" in node["Node Type"]:
        removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        yield round((node["Actual Rows"] + removed) * node["Actual Loops"])
    for child in node.get("Plans", ()):
        yield from _rows(child)


@contextmanager
def statements() -> Iterator[Statements]:
    """Note what is asked; nothing of what EXPLAIN ANALYZE carries out before its time stays."""
    noted = Statements()
    depth = 0

    def listen(execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: Any) -> Any:
        nonlocal depth
        if depth or sql.startswith(("EXPLAIN", "SAVEPOINT", "RELEASE", "ROLLBACK")):
            return execute(sql, parameters, many, context)
        depth += 1
        try:
            return noted(execute, sql, parameters, many, context)
        finally:
            depth -= 1

    with connection.execute_wrapper(listen):
        yield noted


@contextmanager
def selects(part: str) -> Iterator[list[str]]:
    """Note the questions in which this stands."""
    noted: list[str] = []

    def listen(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        if sql.startswith("SELECT") and part in sql:
            noted.append(sql)
        return execute(sql, *arguments)

    with connection.execute_wrapper(listen):
        yield noted


@pytest.fixture
def fleet(db: None) -> list[str]:
    """A hundred connectors, each with its share."""
    accounts = Account.objects.bulk_create(Account(name=f"Alice {number}") for number in range(INSTANCES // 100))
    names = [f"connector {number:03}" for number in range(INSTANCES // EACH)]
    Instance.objects.bulk_create(
        Instance(
            account=accounts[n // 100], name=f"shop {n}", owner=names[n % len(names)], jid="1@s", key_store="shared"
        )
        for n in range(INSTANCES)
    )
    now = timezone.now()
    Connector.objects.bulk_create(
        Connector(name=name, run=Lease(name, "shared").run, store="shared", held={"": EACH}, seen_at=now)
        for name in names
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return names


def one_of(names: list[str], number: int = 0) -> Lease:
    """A connector that holds its share already."""
    lease = Lease(names[number], "shared")
    Connector.objects.filter(name=lease.name).update(run=lease.run)
    lease._entered, lease._until = True, clock.steady() + 1000
    lease.held = dict(Instance.objects.filter(owner=lease.name).values_list("pk", "epoch"))
    lease._kinds = dict.fromkeys(lease.held, "")
    # The sweep is for one of all, once a minute.
    lease._claims = 1
    return lease


def test_a_tick_reads_what_is_its_own(fleet: list[str]) -> None:
    lease = one_of(fleet)
    with statements() as noted:
        assert lease.beat()
        lease.look_around()
        assert lease.surplus(list(lease.held)) == []
        assert lease.claim() == []
        assert lease.unplaced() == (0, [])
        for tick in (0, 1, 60):
            housekeeping.run(tick)
    assert noted.read
    assert sum(noted.read.values()) <= READ, noted.read
    assert len(lease.held) == EACH


def test_the_sum_of_a_fleet_is_not_counted_but_told(fleet: list[str]) -> None:
    lease = one_of(fleet)
    lease.look_around()
    with statements() as noted:
        assert lease.shares() == {"": EACH}
    assert noted.read == {}


def test_a_take_over_reads_what_the_dead_one_held(fleet: list[str]) -> None:
    lease = one_of(fleet, 7)
    lease.look_around()
    with statements() as noted:
        assert leases.bury(Connector.objects.get(name=fleet[8])) == {}, "nothing of it is left"
        lease.look_around()
        assert len(lease.claim()) == 1, "a hundredth of forty, rounded up for those first by name"
    assert sum(noted.read.values()) <= 2 * READ, noted.read


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite does not see that the index is for this question")
def test_from_cold_each_reads_what_it_takes(fleet: list[str]) -> None:
    Instance.objects.update(owner="")
    Connector.objects.update(held={})
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    lease = Lease(fleet[5], "shared")
    Connector.objects.filter(name=lease.name).update(run=lease.run)
    lease._entered, lease._until, lease._claims = True, clock.steady() + 1000, 1
    lease.look_around()
    with statements() as noted:
        assert len(lease.claim()) == leases.COUNTED // len(fleet)
    counting = {sql: rows for sql, rows in noted.read.items() if "COUNT" in sql}
    assert sum(noted.read.values()) - sum(counting.values()) <= READ, noted.read
    assert max(counting.values(), default=0) <= leases.COUNTED


def test_what_was_deleted_is_found_without_looking_at_the_rest(fleet: list[str]) -> None:
    Instance.objects.filter(name__in=["shop 1", "shop 2"]).update(going_at=timezone.now(), owner="")
    lease = one_of(fleet)
    with statements() as noted:
        assert lease.claim() == []
        housekeeping.run(1)
    assert sum(noted.read.values()) <= READ, noted.read
    assert Instance.every.count() == INSTANCES - 2


def test_a_lost_region_is_told_some_at_a_time(fleet: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "TOLD_AT_ONCE", 10)
    Instance.objects.filter(owner__lt=fleet[30]).update(owner="", labels="region=eu", state=State.CONNECTED)
    lease = one_of(fleet, 30)
    lease.look_around()
    lease._others = [row for row in lease._others if row.name > lease.name]
    number, told = lease.unplaced()
    assert (number, len(told)) == (30 * EACH, 10)


def test_who_has_many_neighbours_looks_at_them_now_and_then(fleet: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "LOOKED_AT", 50)
    now = 1000.0
    lease = one_of(fleet)
    lease._clock = lambda: now
    lease._until = now + 1000

    def looks() -> int:
        """How often the others' rows are read in six seconds of ticks."""
        nonlocal now
        with selects('"instances_connector"."beat" AS') as asked:
            for _ in range(30):
                now += 0.2
                lease.look_around()
                lease.claim()
        return len(asked)

    lease.look_around()
    lease.claim()
    seldom = looks()
    assert 2 <= seldom <= 4
    Instance.objects.filter(name="shop 9").update(owner="")
    lease.held.clear()
    lease._kinds.clear()
    Connector.objects.filter(name=fleet[9]).update(held={"": EACH - 1})
    lease._calm = False
    assert looks() == 30, "each time, while something is free"


def test_of_a_fleet_some_tidy_up(monkeypatch: pytest.MonkeyPatch) -> None:
    done = 0

    def job() -> int:
        nonlocal done
        done += 1
        return 0

    monkeypatch.setattr(housekeeping, "JOBS", ((10, job),))
    monkeypatch.setattr(housekeeping, "OWN_JOBS", ())
    for _ in range(4000):
        housekeeping.run(10, fleet=1000)
    assert 8 < done < 80, "eight of a thousand, on the average"
    done = 0
    for _ in range(10):
        housekeeping.run(10, fleet=housekeeping.ENOUGH)
    assert done == 10


def test_old_messages_are_looked_for_where_they_are_held(fleet: list[str]) -> None:
    Instance.objects.update(keep_days=30)
    with selects("chats_message") as asked:
        forget_old(fleet[3])
    assert len(asked) == EACH


def test_files_are_compared_with_the_instances_they_are_of(
    fleet: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(settings, "MEDIA_DIR", tmp_path)
    instance = Instance.objects.order_by("pk")[17]
    for name in (str(instance.pk), str(10**9)):
        cache.folder_of(int(name)).mkdir()
    (tmp_path / str(10**9) / "1-a").touch()
    with statements() as noted:
        assert cache.forget_gone() == 1
    assert sum(noted.read.values()) <= 2, noted.read
    assert [folder.name for folder in tmp_path.iterdir()] == [str(instance.pk)]


def test_who_runs_the_house_hears_all_news_without_a_list_of_all(fleet: list[str]) -> None:
    root = get_user_model().objects.create_superuser("root")
    with statements() as noted:
        heard = access.heard_of(root)
    assert Instance.objects.order_by("pk")[0].uid.hex in heard
    assert noted.read == {}


def test_a_member_is_asked_for_among_their_own(fleet: list[str]) -> None:
    ana = get_user_model().objects.create_user("ana")
    account = Account.objects.create(name="Bob")
    Membership.objects.create(user=ana, account=account, role=access.Role.ADMINISTRATOR)
    mine = Instance.objects.create(account=account, name="mine")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with statements() as noted:
        assert mine.uid.hex in access.heard_of(ana)
        assert list(selectors.listed(ana)) == [mine]
        assert access.visible_to(ana).exclude(jid="").exists() is False
    assert sum(noted.read.values()) <= READ, noted.read


def test_much_that_nobody_holds_is_not_counted(fleet: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    Instance.objects.update(owner="")
    monkeypatch.setattr(leases, "COUNTED", 50)
    lease = one_of(fleet)
    lease.look_around()
    assert lease.shares() == {"": EACH + leases.FOR_ALL}
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with statements() as noted:
        lease._count_free()
    if connection.vendor != "sqlite":
        assert sum(noted.read.values()) <= READ, noted.read


def test_between_two_looks_is_less_than_half_a_lease(fleet: list[str]) -> None:
    lease = one_of(fleet)
    lease._others = [leases.Other(str(n), lease.run, 0, "shared", "", False, {}) for n in range(10_000)]
    assert timedelta(seconds=lease._between_looks) == timedelta(seconds=3)


def ticks_of(fleet: int) -> int:
    """How often a connector of so many ticks in half a second in which the others call all the time."""

    async def run() -> int:
        connector = Connector_.__new__(Connector_)
        connector._loop = asyncio.get_running_loop()
        connector._wake, connector._stop = asyncio.Event(), asyncio.Event()
        connector.lease = Lease("one", "shared")
        connector.lease._others = [leases.Other("", connector.lease.run, 0, "shared", "", False, {})] * (fleet - 1)
        end, ticks = connector._loop.time() + 0.5, 0
        while connector._loop.time() < end:
            connector._ticked_at = connector._loop.time()
            ticks += 1
            connector._loop.call_later(0.01, connector._wake.set)
            await connector._sleep()
        return ticks

    return asyncio.run(run())


def test_a_call_wakes_a_few_at_once_and_a_large_fleet_hardly_earlier() -> None:
    assert ticks_of(2) > 10
    assert ticks_of(1000) == 1


def test_many_that_are_let_go_at_once_are_one_call(fleet: list[str]) -> None:
    class Ending:
        """A session that has nothing left to do."""

        def __init__(self, instance: Instance) -> None:
            self.instance = instance

        async def end(self) -> None:
            """At once."""

    lease = one_of(fleet)
    mine = list(Instance.objects.filter(owner=lease.name))
    calls: list[float] = []

    async def run() -> None:
        connector = Connector_.__new__(Connector_)
        connector._loop, connector._tasks, connector._calling = asyncio.get_running_loop(), set(), None
        connector._sessions = {one.pk: Ending(one) for one in mine}  # type: ignore[misc]

        async def leasing(work: Callable[..., Any], *arguments: Any) -> Any:
            lease.held.pop(*arguments)

        async def call(seconds: float = 0) -> None:
            await asyncio.sleep(seconds)
            calls.append(seconds)

        connector.lease, connector._leasing, connector._call_others = lease, leasing, call  # type: ignore[method-assign]
        await asyncio.gather(*(connector._let_go(one) for one in list(connector._sessions.values())))
        await asyncio.sleep(0.2)

    asyncio.run(run())
    assert (len(calls), lease.held) == (1, {})
