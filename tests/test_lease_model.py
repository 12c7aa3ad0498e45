"""Never two owners: arbitrary orders of what may befall connectors, tried on the real lease and the real database.

Each connector has a clock of its own, wrong by any amount. Before and after
any statement a process may stand still, and another one may do its whole round
in between. At no moment may two of them be ready to send for one instance.

SQLite's transactions exclude each other. PostgreSQL's do not: there two threads
with a connection each are let go statement by statement, in any order, within
their transactions too, and a statement may have to wait for the other's rows.
"""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.db import DatabaseError, connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from instances.leases import Lease
from instances.models import Account, Connector, Instance

NAMES = ("one", "two")
INSTANCES = 2

# How long something takes: no time, half a lease, a whole one. In eighths, as all here,
# so that sums are exact: a rounding error would look like a moment with two owners.
delays = st.sampled_from([0.0, 3.125, 6.0])
# What comes in between: the other's whole rounds, each after a while.
meanwhile = st.sampled_from([[], [0.0], [6.0], [0.0, 6.0], [3.125, 3.125]])
# Around the statements of one round: before each, and after it.
turbulence = st.lists(st.tuples(meanwhile, meanwhile), min_size=1, max_size=4)


def make_instances() -> None:
    """Nothing but these, which nobody holds."""
    Connector.objects.all().delete()
    Account.objects.all().delete()
    account = Account.objects.create(name="Alice")
    for number in range(INSTANCES):
        Instance.objects.create(account=account, name=f"shop {number}")


class World(RuleBasedStateMachine):
    """Two connectors, one database, one true time."""

    @initialize(errors=st.tuples(*[st.integers(-(10**6), 10**6)] * len(NAMES)))
    def begin(self, errors: tuple[int, ...]) -> None:
        make_instances()
        self.time = 0.0
        self.error = dict(zip(NAMES, errors, strict=True))
        self.leases: dict[str, Lease] = {}
        self.ended: dict[str, Lease] = {}
        for name in NAMES:
            self.start(name)
            self.leases[name].enter()
        self.do_round(NAMES[0])

    def start(self, name: str) -> None:
        self.leases[name] = Lease(name, "shared", lambda: self.time + self.error[name])

    @rule(seconds=delays)
    def time_passes(self, seconds: float) -> None:
        self.time += seconds

    @rule(name=st.sampled_from(NAMES), around=turbulence)
    def round(self, name: str, around: list[tuple[list[float], list[float]]]) -> None:
        """What a connector does each second, disturbed."""
        with self.disturbed(name, around):
            self.do_round(name)

    def do_round(self, name: str) -> None:
        lease = self.leases[name]
        former = self.ended.get(name)
        if not lease.beat():
            lease.enter(former.run if former else None)
            return
        lease.look_around()
        for pk in lease.surplus(list(lease.held)):
            lease.release(pk)
        lease.claim()

    @rule(name=st.sampled_from(NAMES))
    def restart(self, name: str) -> None:
        """kill -9, and a new process that holds the dead one's lock."""
        self.ended[name] = self.leases[name]
        self.start(name)
        self.leases[name].enter(self.ended[name].run)

    @rule(name=st.sampled_from(NAMES))
    def namesake(self, name: str) -> None:
        """The process lives on, cut off; elsewhere one of the same name is started, which cannot know."""
        if f"{name} cut off" in self.leases:
            return
        self.leases[f"{name} cut off"] = self.leases[name]
        self.ended.pop(name, None)
        self.start(name)

    @rule(name=st.sampled_from(NAMES))
    def stop(self, name: str) -> None:
        lease = self.leases[name]
        lease.drain()
        for pk in list(lease.held):
            lease.release(pk)
        lease.leave()

    @contextmanager
    def disturbed(self, name: str, around: list[tuple[list[float], list[float]]]) -> Iterator[None]:
        waiting = list(reversed(around))
        other = next(one for one in NAMES if one != name)

        def happen(steps: list[float]) -> None:
            rest, waiting[:] = list(waiting), []
            for seconds in steps:
                self.time += seconds
                self.never_two_owners()
                self.do_round(other)
                self.never_two_owners()
            waiting[:] = rest

        def statement(execute: Callable[..., Any], *arguments: Any) -> Any:
            self.never_two_owners()
            # Others' whole rounds do not fit into a transaction: in SQLite's they would wait for its end, and what
            # PostgreSQL lets through there has a test of its own. At the beginning of one its turn to write is taken.
            if connection.in_atomic_block or not waiting or arguments[0].startswith("BEGIN"):
                return execute(*arguments)
            before, after = waiting.pop()
            happen(before)
            result = execute(*arguments)
            happen(after)
            return result

        with connection.execute_wrapper(statement):
            yield

    @invariant()
    def never_two_owners(self) -> None:
        for pk in {pk for one in self.leases.values() for pk in one.held}:
            ready = [name for name, one in self.leases.items() if pk in one.held and one.seconds_left > 0]
            assert len(ready) < 2, f"{ready} would both send"


@pytest.mark.django_db(transaction=True)
def test_never_two_owners() -> None:
    run_state_machine_as_test(
        World,
        settings=settings(
            max_examples=100,
            stateful_step_count=6,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            # Six steps are short enough to read; to shorten them takes minutes.
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
        ),
    )


# --- Statement by statement, on PostgreSQL --------------------------------------

SEEDS = 100
# Of what a connector's lease does, in any order: its beat and its tick are two tasks.
WORK = ("beat", "beat", "beat", "look", "look", "look", "claim", "claim", "hand over")
WORKS = 20
# Who has not come to its next statement by then waits for the other's rows, in real seconds.
BLOCKED = 0.05
# Of true time, between two statements; mostly none, or no lease would be good for as long as a round takes.
STEPS = (3.125, 6.0)
SELDOM = 0.03
# How likely who carried out a statement carries out the next one too: one that stands still does so for a while.
AGAIN = (0.5, 0.8, 0.95)


class Walker(threading.Thread):
    """A connector at work, which waits before each statement until it may go on."""

    def __init__(self, lease: Lease, work: list[str]) -> None:
        super().__init__(daemon=True)
        self.lease, self._work = lease, work
        self.waits, self.done = threading.Event(), threading.Event()
        self._may_go = threading.Semaphore(0)
        self.fault: BaseException | None = None

    def run(self) -> None:
        try:
            with connection.execute_wrapper(self._statement):
                for work in self._work:
                    # Who waited for too long tries again the next time, as a connector does.
                    with suppress(DatabaseError):
                        self._do(work)
        except BaseException as error:
            self.fault = error
        finally:
            connection.close()
            self.done.set()

    def _do(self, work: str) -> None:
        match work:
            case "beat":
                if not self.lease.beat():
                    self.lease.enter()
            case "look":
                self.lease.look_around()
            case "claim":
                self.lease.claim()
            case "hand over":
                for pk in self.lease.surplus(list(self.lease.held)):
                    self.lease.release(pk)

    def _statement(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        self.waits.set()
        self._may_go.acquire()
        return execute(*arguments)

    def go(self) -> None:
        """Let it carry out one statement; returns at its next one, or when it has to wait in that."""
        self.waits.clear()
        self._may_go.release()
        self.look()

    def end(self) -> None:
        """Let it go to its end, and wait for that."""
        self._may_go.release(10_000)
        self.join()

    def look(self) -> bool:
        """Whether it waits for us."""
        return not self.done.is_set() and self.waits.wait(BLOCKED)


def walk(seed: int) -> int:
    """Let two go in an order by chance; how often an instance changed its owner."""
    chance, now = random.Random(seed), 0.0
    again, last = chance.choice(AGAIN), None
    make_instances()
    errors = [chance.randrange(-(10**6), 10**6) for _ in NAMES]
    made = [Lease(name, "shared", lambda error=error: now + error) for name, error in zip(NAMES, errors, strict=True)]  # type: ignore[misc]
    for lease in made:
        assert lease.enter()
    made[0].claim()
    connection.close()
    walkers = [Walker(lease, chance.choices(WORK, k=WORKS)) for lease in made]

    def never_two_owners() -> None:
        for pk in {pk for lease in made for pk in list(lease.held)}:
            ready = [lease.name for lease in made if pk in lease.held and lease.seconds_left > 0]
            assert len(ready) < 2, f"{ready} would both send (seed {seed})"

    for walker in walkers:
        walker.start()
    try:
        while there := [walker for walker in walkers if not walker.done.is_set()]:
            if may_go := [walker for walker in there if walker.look()]:
                now += chance.choice(STEPS) if chance.random() < SELDOM else 0.0
                never_two_owners()
                last = last if last in may_go and chance.random() < again else chance.choice(may_go)
                last.go()
                never_two_owners()
    finally:
        for walker in walkers:
            walker.end()
    assert [walker.fault for walker in walkers] == [None, None]
    return sum(Instance.objects.values_list("epoch", flat=True))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite's transactions exclude each other")
def test_never_two_owners_whatever_order_statements_come_in() -> None:
    """Was never tried: both shared a connection, and what one did came between the other's transactions alone."""
    changes = [walk(seed) for seed in range(SEEDS)]
    assert sum(changes) > 2 * SEEDS, "they did take over from each other"


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite's transactions exclude each other")
def test_a_sign_of_life_in_the_midst_of_a_burial_waits_for_its_end() -> None:
    """The one order in which a burial that held no row would make two owners; by chance it comes once in a hundred."""
    make_instances()
    now = 0.0
    alive, other = (Lease(name, "shared", lambda: now) for name in NAMES)
    assert alive.enter()
    assert other.enter()
    alive.claim()
    other.look_around()
    now += 6.0
    assert other.beat()
    beating: list[Future[bool]] = []

    def beat() -> bool:
        try:
            return alive.beat()
        finally:
            connection.close()

    def come_between(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        result = execute(sql, *arguments)
        if connection.in_atomic_block and sql.startswith("SELECT") and "instances_connector" in sql and not beating:
            beating.append(threads.submit(beat))
            wait(beating, timeout=0.5)
        return result

    with ThreadPoolExecutor(1) as threads:
        with connection.execute_wrapper(come_between):
            assert other.look_around() == 1
        other.claim()
        assert beating[0].result(10) is False, "it hears that it was buried"
    assert (len(alive.held), len(other.held)) == (0, INSTANCES)
