"""Who holds an instance: one connector at a time, each its share, and a late one changes nothing."""

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection, transaction

from instances import leases
from instances.leases import HANDED_AT_ONCE, KEYS_AWAY, SWEEP, Lease
from instances.models import Account, Connector, Instance
from instances.whatsapp import connector
from instances.whatsapp.lease_thread import LeaseThread
from instances.whatsapp.stating import save_state

LEASE = 6.0


class Clock:
    """Time as a test wants it; each connector has its own."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def instance(db: None) -> Instance:
    return make(1)[0]


def make(count: int, **fields: str) -> list[Instance]:
    account, _ = Account.objects.get_or_create(name="Alice")
    first = Instance.objects.count()
    return [Instance.objects.create(account=account, name=f"shop {first + n}", **fields) for n in range(count)]


Enter = Callable[..., Lease]


@pytest.fixture
def enter(db: None) -> Enter:
    """Make connectors that have entered, on clocks that differ by an hour."""
    made: list[Lease] = []

    def make_one(name: str, store: str = "shared", clock: Clock | None = None, offered: str = "") -> Lease:
        lease = Lease(name, store, clock or Clock(1000.0 + 3600 * len(made)), offered)
        assert lease.enter()
        made.append(lease)
        return lease

    return make_one


def owners() -> dict[str, int]:
    counts: dict[str, int] = {}
    for owner in Instance.objects.values_list("owner", flat=True):
        counts[owner] = counts.get(owner, 0) + 1
    return counts


def settle(*leases: Lease) -> None:
    """Let each do its rounds until nothing moves any more."""
    for _ in range(20):
        for lease in leases:
            lease.beat()
            lease.look_around()
            for pk in lease.surplus(list(lease.held)):
                lease.release(pk)
            lease.claim()


def test_it_works(instance: Instance, enter: Enter) -> None:
    one = enter("one")
    (mine,) = one.claim()
    assert (mine.pk, mine.owner, mine.epoch) == (instance.pk, "one", 1)
    assert one.holds(instance.pk, 1)
    assert one.beat()


def test_a_held_instance_is_not_claimed(instance: Instance, enter: Enter) -> None:
    enter("one").claim()
    assert enter("two").claim() == []


def test_a_silent_connectors_instances_go_to_another(instance: Instance, enter: Enter) -> None:
    ones, twos = Clock(50.0), Clock(9000.0)
    one, two = enter("one", clock=ones), enter("two", clock=twos)
    one.claim()
    two.look_around()
    ones.now += LEASE - 0.1
    twos.now += LEASE - 0.1
    assert two.beat()
    assert two.look_around() == 0
    assert two.claim() == []
    ones.now += 0.2
    twos.now += 0.2
    assert one.seconds_left < 0, "it stopped trusting itself before anybody took over"
    assert two.look_around() == 1
    (taken,) = two.claim()
    assert taken.owner == "two"
    assert not one.beat(), "the former owner wakes up, and knows"
    assert one.held == {}
    assert two.holds(instance.pk, taken.epoch)


def test_the_former_owners_writes_come_to_nothing(instance: Instance, enter: Enter) -> None:
    one, two = enter("one"), enter("two", clock=(clock := Clock(5.0)))
    one.claim()
    two.look_around()
    clock.now += LEASE
    two.look_around()
    # Before anybody has taken it.
    assert not Instance.objects.filter(pk=instance.pk, epoch=one.held[instance.pk]).exists()


def test_nothing_is_sent_when_the_lease_has_almost_run_out(instance: Instance, enter: Enter) -> None:
    one = enter("one", clock=(clock := Clock(7.0)))
    one.claim()
    clock.now += LEASE - 1.1
    assert one.holds(instance.pk, 1)
    clock.now += 0.2
    assert not one.holds(instance.pk, 1)
    assert one.beat()
    assert one.holds(instance.pk, 1), "nobody has taken over"


def test_another_epoch_is_not_ours(instance: Instance, enter: Enter) -> None:
    one = enter("one")
    one.claim()
    assert not one.holds(instance.pk, 0)
    assert not one.holds(instance.pk, 2)


def test_a_connector_that_gives_a_sign_of_life_in_the_last_moment_stays(instance: Instance, enter: Enter) -> None:
    one = enter("one")
    row = Connector.objects.get()
    one.beat()
    assert not leases.bury(row)
    assert one.beat()


def test_what_is_let_go_too_late_stays(instance: Instance, enter: Enter) -> None:
    """What is held under another epoch by now is another session's."""
    one = enter("one")
    one.claim()
    one.release(instance.pk, 0)
    assert one.holds(instance.pk, 1)
    one.release(instance.pk, 1)
    assert (one.held, owners()) == ({}, {"": 1})


def test_a_restarted_connector_takes_up_its_own_at_once(instance: Instance, enter: Enter) -> None:
    one = enter("one")
    one.claim()
    again = Lease("one", "shared", Clock(0.0))
    assert again.enter(dead=one.run)
    (taken,) = again.claim()
    assert taken.epoch > 1
    assert not one.beat(), "the dead process's lease is over"


def test_a_namesake_that_may_be_alive_is_not_robbed(instance: Instance, enter: Enter) -> None:
    one = enter("one", clock=Clock(3.0))
    one.claim()
    other = Lease("one", "shared", clock := Clock(0.0))
    assert not other.enter()
    assert not other.enter(dead=uuid.uuid4())
    assert other.claim() == []
    clock.now += LEASE
    one.beat()
    assert not other.enter()
    clock.now += LEASE
    assert not other.enter(), "it looks for a whole lease at the beat it saw last"
    assert other.enter(), "and then it is silent"


def test_a_released_instance_is_free(instance: Instance, enter: Enter) -> None:
    one, two = enter("one"), enter("two")
    one.claim()
    two.release(instance.pk)
    assert two.claim() == [], "nobody releases another's"
    one.release(instance.pk)
    assert len(two.claim()) == 1


@pytest.mark.django_db(transaction=True)
def test_many_who_claim_at_once_take_each_instance_once() -> None:
    make(60)
    leases = [Lease(f"connector {number}", "shared") for number in range(6)]
    for lease in leases:
        assert lease.enter()
    for lease in leases:
        lease.look_around()

    def claim(lease: Lease) -> list[tuple[int, int]]:
        try:
            return [(one.pk, one.epoch) for one in lease.claim()]
        finally:
            connection.close()

    with ThreadPoolExecutor(len(leases)) as threads:
        taken = [one for found in threads.map(claim, leases) for one in found]
    # Some saw only what was left, and come to their share later.
    assert 10 <= len(taken) == len(dict(taken))
    assert set(taken) == set(Instance.objects.exclude(owner="").values_list("pk", "epoch"))
    settle(*leases)
    assert dict(Connector.objects.values_list("name", "held")) == {lease.name: {"": 10} for lease in leases}
    for lease in leases:
        assert lease.held == dict(Instance.objects.filter(owner=lease.name).values_list("pk", "epoch"))


def test_who_was_buried_while_it_claims_takes_nothing(instance: Instance, enter: Enter) -> None:
    one = enter("one")
    Connector.objects.all().delete()
    assert one.claim() == []
    assert owners() == {"": 1}


def test_what_an_earlier_version_of_the_portal_holds_is_counted(enter: Enter) -> None:
    make(9)
    one = enter("one")
    settle(one)
    Connector.objects.update(held=None)
    two = enter("two")
    two.look_around()
    assert two.shares() == {"": 4}
    settle(two)
    assert owners() == {"one": 9}, "nothing is free, and nothing of its own is too much"


def test_they_spread_evenly(enter: Enter) -> None:
    make(10)
    one = enter("one")
    settle(one)
    assert owners() == {"one": 10}, "alone it holds all"
    two = enter("two")
    settle(one, two)
    assert owners() == {"one": 5, "two": 5}
    three = enter("three")
    settle(one, two, three)
    assert sorted(owners().values()) == [3, 3, 4]


def test_they_are_handed_over_a_few_at_a_time(enter: Enter) -> None:
    make(20)
    one = enter("one")
    settle(one)
    enter("two")
    one.look_around()
    assert len(one.surplus(list(one.held))) == HANDED_AT_ONCE
    busy = set(list(one.held)[:-1])
    assert set(one.surplus([pk for pk in one.held if pk not in busy])).isdisjoint(busy)


def test_what_was_handed_over_is_not_handed_over_again_before_a_new_look(enter: Enter) -> None:
    make(10)
    one = enter("one")
    settle(one)
    enter("two")
    one.look_around()
    for pk in one.surplus(list(one.held)):
        one.release(pk)
    assert one.surplus(list(one.held)) == [], "who took them is not known yet"
    one.look_around()
    assert len(one.surplus(list(one.held))) == 2, "what is free counts, and is the other's"


def test_nothing_is_handed_over_while_nobody_holds_more_than_is_counted(
    enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "COUNTED", 4)
    monkeypatch.setattr(leases, "FOR_ALL", 1)
    make(10)
    one = enter("one")
    settle(one)
    make(4)
    two = enter("two", offered="region=eu")
    one.look_around()
    assert one.surplus(list(one.held)) == []
    Instance.objects.filter(owner="one").update(labels="region=eu")
    Instance.objects.filter(owner="").update(labels="region=eu")
    one._look_at_own()
    one.look_around()
    assert one.surplus(list(one.held)), "what it may not hold any more goes all the same"
    settle(one, two)
    assert owners() == {"two": 14}


def test_nothing_moves_once_they_are_spread(enter: Enter) -> None:
    make(5)
    one, two = enter("one"), enter("two")
    settle(one, two)
    before = set(Instance.objects.values_list("pk", "epoch"))
    settle(one, two)
    assert set(Instance.objects.values_list("pk", "epoch")) == before


def test_a_connector_that_drains_counts_for_no_share(enter: Enter) -> None:
    make(6)
    one, two = enter("one"), enter("two")
    settle(one, two)
    one.drain()
    two.look_around()
    for pk in list(one.held):
        one.release(pk)
    two.claim()
    assert owners() == {"two": 6}
    one.leave()
    assert not Connector.objects.filter(name="one").exists()


def test_only_who_can_read_the_keys_takes_an_instance(enter: Enter) -> None:
    make(2, key_store="cellar")
    make(2, key_store="attic")
    cellar, attic = enter("one", "cellar"), enter("two", "attic")
    settle(cellar, attic)
    assert {(one.key_store, one.owner) for one in Instance.objects.all()} == {("cellar", "one"), ("attic", "two")}
    (new,) = make(1)
    settle(cellar, attic)
    new.refresh_from_db()
    assert new.owner, "an instance without keys goes to anybody"


def test_nothing_is_handed_over_to_who_cannot_read_the_keys(enter: Enter) -> None:
    make(4, key_store="cellar")
    cellar = enter("one", "cellar")
    settle(cellar)
    settle(cellar, enter("two", "attic"))
    assert owners() == {"one": 4}


def test_an_instance_of_a_connector_that_is_no_more_is_free(instance: Instance, enter: Enter) -> None:
    Instance.objects.update(owner="gone")
    assert len(enter("one").claim()) == 1


def test_what_a_former_process_of_our_name_took_late_is_taken_from_it(instance: Instance, enter: Enter) -> None:
    one = enter("one")
    Instance.objects.update(owner="one", epoch=7)
    (taken,) = one.claim()
    assert taken.epoch > 8


def test_a_later_one_of_our_name_keeps_what_it_holds(instance: Instance, enter: Enter) -> None:
    """Was red: who had been buried, and woke up, took all from whoever was given its name, at each tick."""
    former, clock = enter("one"), Clock(5.0)
    former.claim()
    two = enter("two", clock=clock)
    two.look_around()
    clock.now += LEASE
    two.look_around()
    two.leave()
    later = enter("one")
    (taken,) = later.claim()
    # It may look before its next beat, and goes on looking after it.
    former.claim()
    assert not former.beat()
    former.claim()
    later.claim()
    assert later.holds(instance.pk, taken.epoch)


def test_a_deleted_instance_is_held_no_more(instance: Instance, enter: Enter) -> None:
    one = enter("one")
    one.claim()
    Instance.objects.all().delete()
    one.claim()
    assert one.held == {}


def test_the_lease_counts_from_before_the_beat_was_written(instance: Instance, enter: Enter) -> None:
    one = enter("one", clock=(clock := Clock(7.0)))

    def slow(execute: Callable[..., Any], *arguments: Any) -> Any:
        clock.now += 4
        result = execute(*arguments)
        clock.now += 1
        return result

    with connection.execute_wrapper(slow):
        assert one.beat()
    assert one.seconds_left == pytest.approx(LEASE - 5)


# --- Labels -------------------------------------------------------------------


def test_an_instance_goes_to_who_has_its_labels(enter: Enter) -> None:
    make(4, labels="region=eu")
    make(4, labels="proxy=home,region=br")
    eu, br = enter("eu", offered="region=eu"), enter("br", offered="proxy=home,region=br,size=big")
    settle(eu, br)
    held = set(Instance.objects.values_list("labels", "owner"))
    assert held == {("region=eu", "eu"), ("proxy=home,region=br", "br")}


def test_the_others_even_out_what_labels_make_uneven(enter: Enter) -> None:
    make(6, labels="region=eu")
    make(6)
    eu, any_one, plain = enter("eu", offered="region=eu"), enter("any"), enter("plain")
    settle(eu, any_one, plain)
    assert owners() == {"eu": 6, "any": 3, "plain": 3}
    before = set(Instance.objects.values_list("pk", "epoch"))
    settle(eu, any_one, plain)
    assert set(Instance.objects.values_list("pk", "epoch")) == before, "nothing moves once they are spread"


def test_one_that_nobody_may_hold_stays_free_until_somebody_may(enter: Enter) -> None:
    make(1, labels="region=eu")
    one, two = enter("one"), enter("two")
    settle(one, two)
    assert owners() == {"": 1}
    number, ((_, why),) = one.unplaced()
    assert (number, why) == (1, "region=eu")
    assert two.unplaced() == (0, []), "one of them says so"
    eu = enter("zzz", offered="region=eu")
    settle(one, two, eu)
    assert owners() == {"zzz": 1}
    assert one.unplaced() == (0, [])


def test_one_whose_keys_nobody_reads_is_told_of(enter: Enter) -> None:
    """Was red: with its machine it was off the air for good, and its state said connected."""
    shop, there = make(2, key_store="gone")
    Instance.objects.filter(pk=there.pk).update(key_store="shared")
    one, two = enter("one"), enter("two")

    def told() -> list[tuple[int, list[tuple[Instance, str]]]]:
        found = []
        for lease in (one, two):
            lease.look_around()
        for _ in range(SWEEP):
            two.claim()
            one.claim()
            assert two.unplaced() == (0, [])
            found.append(one.unplaced())
        return found

    numbers, unplaced = zip(*told(), strict=True)
    assert numbers[-1] == 1
    assert [pair for some in unplaced for pair in some] == [(shop, KEYS_AWAY)]
    enter("back", store="gone").claim()
    assert told()[-1] == (0, [])


def test_other_labels_are_followed(instance: Instance, enter: Enter) -> None:
    one, eu = enter("one"), enter("two", offered="region=eu")
    settle(one, eu)
    assert owners() == {"one": 1}
    Instance.objects.update(labels="region=eu")
    settle(one, eu)
    assert owners() == {"two": 1}
    Instance.objects.update(labels="region=mars")
    settle(one, eu)
    assert owners() == {"": 1}, "not even who had it keeps it"


def test_a_dead_ones_go_to_those_that_may(enter: Enter) -> None:
    make(3, labels="region=eu")
    clock = Clock(0.0)
    eu, also_eu, plain = enter("eu", offered="region=eu"), enter("also", clock=clock, offered="region=eu"), enter("a")
    settle(eu, also_eu, plain)
    clock.now += LEASE
    also_eu.beat()
    also_eu.look_around()
    assert also_eu.claim()
    settle(also_eu)
    assert owners() == {"also": 3}


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="on one machine a dead process's locks end with it")
def test_who_falls_silent_while_it_claims_is_buried_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "LEASE", timedelta(seconds=3))
    make(1)
    silent, other = Lease("one", "shared"), Lease("two", "shared", clock := Clock(0.0))
    assert silent.enter()
    assert other.enter()
    other.look_around()
    stands, goes_on = threading.Event(), threading.Event()

    def stand_still(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        result = execute(sql, *arguments)
        if sql.startswith('UPDATE "instances_instance"') and connection.in_atomic_block:
            stands.set()
            goes_on.wait(30)
        return result

    def claim() -> None:
        try:
            with connection.execute_wrapper(stand_still):
                silent.claim()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        claiming = thread.submit(claim)
        assert stands.wait(30)
        clock.now += 3
        other.beat()
        began = time.monotonic()
        try:
            while not other.look_around():
                assert time.monotonic() - began < 20
                time.sleep(0.1)
            assert len(other.claim()) == 1
        finally:
            goes_on.set()
        with pytest.raises(DatabaseError):
            claiming.result()
    assert silent.held == {}


# --- As a whole: how soon, and what it waits for -------------------------------


def test_who_comes_again_at_once_leaves_the_others_their_share(enter: Enter) -> None:
    clock = Clock(0.0)
    dead, one, two = enter("dead"), enter("one", clock=clock), enter("two")
    make(4 * leases.TAKEN_AT_ONCE)
    Instance.objects.update(owner="dead")
    one.look_around()
    clock.now += LEASE
    one.beat()
    two.beat()
    assert one.look_around() == 1
    assert dead.held == {}
    assert [len(one.claim()) for _ in range(3)] == [leases.TAKEN_AT_ONCE, leases.TAKEN_AT_ONCE, 0]
    two.look_around()
    assert [len(two.claim()) for _ in range(3)] == [leases.TAKEN_AT_ONCE, leases.TAKEN_AT_ONCE, 0]


def test_a_connector_does_not_wait_for_the_next_second_while_there_is_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Was red: five hundred instances of a dead neighbour took ten seconds to be taken alone, fifty a second."""
    some = Mock(pk=0, epoch=1, state="connected")
    instances = [Mock(pk=pk, epoch=1, state="connected") for pk in range(10 * leases.TAKEN_AT_ONCE + 1)]
    share = leases.TAKEN_AT_ONCE
    claims = [instances[first : first + share] for first in range(0, len(instances), share)]
    claimed: list[float] = []
    missing: list[str] = []

    async def run() -> None:
        ticking = connector.Connector.__new__(connector.Connector)
        loop = asyncio.get_running_loop()

        def claim() -> list[Any]:
            claimed.append(loop.time())
            missing.append(ticking.missing)
            if len(claimed) > len(claims):
                ticking._stop.set()
                return []
            return claims[len(claimed) - 1]

        async def nothing(*_: Any) -> Any:
            return 0

        async def leasing(work: Callable[..., Any], *arguments: Any) -> Any:
            return work(*arguments)

        ticking.name, ticking.worn, ticking._loop, ticking._tasks = "one", False, loop, set()
        ticking._stop, ticking._wake, ticking._tidying = asyncio.Event(), asyncio.Event(), None
        ticking._settled, ticking._beginning = False, set()
        ticking._sessions, ticking._history, ticking._ticks = {}, Mock(), Mock()
        ticking._pool, ticking._writer, ticking._outage = Mock(), Mock(waiting=0), Mock()
        ticking._threads, ticking._lease_thread = Mock(ask=nothing), Mock()
        ticking.lease = Mock(
            fleet=2,
            held={one.pk: 1 for one in instances},
            claim=claim,
            look_around=lambda: 0,
            seconds_left=5.0,
            good=True,
        )
        ticking._leasing = leasing  # type: ignore[method-assign]
        for name in ("reach_broker", "enter", "beat", "watch", "take_over", "hand_over", "note_unplaced", "begin",
                     "drain"):  # fmt: skip
            setattr(ticking, f"_{name}", nothing)
        monkeypatch.setattr(connector, "Session", Mock(return_value=Mock(instance=some, due=False)))
        await ticking.run()
        missing.append(ticking.missing)

    asyncio.run(run())
    assert len(claimed) == 12
    assert claimed[10] - claimed[0] < 4, "a second each would be ten"
    assert claimed[11] - claimed[10] > 0.5, "it took less than it may: the next second will do"
    assert missing == ["it is still starting"] * 12 + [""], "who waits for it to settle is told when it has"


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no pool: each thread's connection is its own")
def test_the_beat_needs_no_connection_of_the_pool() -> None:
    """Was red: while others had all of them the beat waited for ten seconds, and the lease was lost."""
    lease, thread = Lease("one", "shared"), LeaseThread()
    ours: Any = connection
    assert lease.enter()
    connection.close()
    most = settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]
    taken = [ours.pool.getconn() for _ in range(most)]
    try:
        began = time.monotonic()
        assert asyncio.run(thread.run(lease.beat))
        assert time.monotonic() - began < 8
        # Once its connection was cut, it opens another one.
        taken[0].execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE '%%instances_connector%%' AND pid <> pg_backend_pid()"
        )
        with pytest.raises(DatabaseError):
            asyncio.run(thread.run(lease.beat))
        assert asyncio.run(thread.run(lease.beat))
    finally:
        for one in taken:
            ours.pool.putconn(one)
        thread.close()


@contextmanager
def silent(statement: str, *values: object) -> Iterator[None]:
    """Somebody who has begun a transaction with this, and says nothing more; no limit of ours is on it."""
    known = connection.settings_dict
    place = {"host": known["HOST"], "port": known["PORT"], "user": known["USER"], "password": known["PASSWORD"]}
    with psycopg.connect(dbname=known["NAME"], **place) as other:
        other.execute(statement.encode(), values)
        yield
        other.rollback()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="on one machine a dead process's locks end with it")
def test_a_row_that_somebody_holds_keeps_nobody_from_the_others() -> None:
    """Was red: burying waited for the row without a limit, on the thread that beats, and the whole fleet stood."""
    held, *_ = make(3)
    dead, one = Lease("dead", "shared"), Lease("one", "shared", clock := Clock(0.0))
    assert dead.enter()
    assert len(dead.claim()) == 3
    assert one.enter()
    one.look_around()
    clock.now += LEASE
    with ThreadPoolExecutor(1) as thread:

        def bury_and_take() -> tuple[bool, int, int]:
            try:
                return one.beat(), one.look_around(), len(one.claim())
            finally:
                connection.close()

        with silent("UPDATE instances_instance SET state_detail = 'x' WHERE id = %s", held.pk):
            done = thread.submit(bury_and_take)
            assert done.result(30) == (True, 1, 2)
            assert one.claim() == [], "that one is still held"
            assert one.beat()
    (taken,) = one.claim()
    assert taken.pk == held.pk
    assert taken.epoch == 3
    assert one._left == {}


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="on one machine a dead process's locks end with it")
def test_the_thread_that_beats_waits_for_nobodys_row_for_long() -> None:
    (mine,) = make(1)
    one = Lease("one", "shared")
    assert one.enter()
    one.claim()
    with ThreadPoolExecutor(1) as thread:

        def wait() -> None:
            try:
                one.release(mine.pk)
            finally:
                connection.close()

        row = silent("SELECT FROM instances_instance WHERE id = %s FOR UPDATE", mine.pk)
        with row, pytest.raises(OperationalError):
            thread.submit(wait).result(LEASE / 2)
    # It is nobody's in our eyes, and ours in the database's: so it is freed at the next look.
    one.claim()
    assert one.held == {mine.pk: 3}


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="on one machine a dead process's locks end with it")
def test_who_stands_still_in_any_transaction_loses_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Was red: a connector frozen while it noted a state held the row for as long as its connection was believed in."""
    monkeypatch.setattr(settings, "DATABASE_SILENCE", timedelta(seconds=1))
    (mine,) = make(1)
    stands, goes_on = threading.Event(), threading.Event()

    def stand_still(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        result = execute(sql, *arguments)
        if sql.startswith('UPDATE "instances_instance"'):
            stands.set()
            goes_on.wait(30)
        return result

    def note() -> None:
        try:
            with connection.execute_wrapper(stand_still):
                save_state(mine)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        noting = thread.submit(note)
        assert stands.wait(30)
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL lock_timeout = 5000")
                assert Instance.objects.select_for_update().get(pk=mine.pk) == mine
        finally:
            goes_on.set()
        with pytest.raises(DatabaseError):
            noting.result()
    assert Instance.objects.filter(pk=mine.pk).exists(), "the next transaction is as any other"
