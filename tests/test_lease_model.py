"""Never two owners: arbitrary orders of what may befall connectors, tried on the real lease and the real database.

Each connector has a clock of its own, wrong by any amount. Before and after
any statement a process may stand still, and another one may do its whole round
in between. At no moment may two of them be ready to send for one instance.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
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


class World(RuleBasedStateMachine):
    """Two connectors, one database, one true time."""

    @initialize(errors=st.tuples(*[st.integers(-(10**6), 10**6)] * len(NAMES)))
    def begin(self, errors: tuple[int, ...]) -> None:
        Connector.objects.all().delete()
        Account.objects.all().delete()
        account = Account.objects.create(name="Alice")
        for number in range(INSTANCES):
            Instance.objects.create(account=account, name=f"shop {number}")
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
            # Within a transaction the database keeps others out.
            if connection.in_atomic_block or not waiting:
                return execute(*arguments)
            before, after = waiting.pop()
            happen(before)
            result = execute(*arguments)
            if arguments[0].startswith("BEGIN"):
                return result
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
