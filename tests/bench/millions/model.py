"""A fleet as a model: connectors that tick, die and come back, a database with so many cores, measured costs.

Steps of a tenth of a second, the same in every run. What is not measured is an assumption, and says so.
The database is one queue of work: a statement waits for what was asked before it.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from instances.leases import COUNTED, FOR_ALL, HANDED_AT_ONCE, LOOKED_AT, NEIGHBOURS, TAKEN_AT_ONCE

STEP = 0.1
LEASE = 6.0
# A connector trusts its lease for five sixths of it: a beat that waits longer for the database is too late.
TOO_LATE = LEASE * 5 / 6
# One connector connects so many a second (docs/fleet.md: 500 from cold in 11.9 s, on cores it shared with all else).
CONNECTS = 42.0
# Assumed: a new process ticks after so long; sessions under way end in up to so long (`session.REST_SECONDS`: 5).
STARTS, RESTS = 5.0, 2.0
# So many start at the same moment (`session._STARTERS`). An upgrade takes a twentieth of the fleet at a time.
STARTERS, PARTS = 16, 20
LIMIT = 3600.0


@dataclass(frozen=True, slots=True)
class Costs:
    """Milliseconds of the database's CPU, as measured at some size."""

    beat: float
    look: float
    claim: float
    tidy: float
    # A claim while something is free, the end of a connector, the writing of a state.
    take: float
    bury: float
    state: float


@dataclass(slots=True)
class One:
    """A connector."""

    number: int
    next_at: float
    held: int
    connecting: float = 0.0
    alive: bool = True
    died: float = -1.0
    drains: bool = False
    # When it has a row (again).
    there_from: float = 0.0

    def takes(self, now: float) -> bool:
        """Whether others count it among those that take instances."""
        return not self.drains and now >= self.there_from


@dataclass(slots=True)
class Told:
    """What came of it: s, s, instances of one connector, connections an instance, and whether a lease ran out."""

    back: float
    database_wait: float
    connecting: float
    moves: float
    leases_lost: bool


class World:
    """A fleet in which every connector holds its share, until something happens."""

    def __init__(self, connectors: int, each: int, costs: Costs, cores: int) -> None:
        self._chance = random.Random(7)  # no secret
        self.all = [One(number, self._chance.random(), each) for number in range(connectors)]
        self.total = connectors * each
        self.costs, self.cores = costs, cores
        self.now, self.free, self.moves = 0.0, 0, 0
        # Core seconds of statements that the database has not got to; how long a new one waits.
        self._work = self._wait = self._longest = self._most = 0.0
        self.between = max(1.0, min(connectors / LOOKED_AT, LEASE / 2)) if connectors > NEIGHBOURS else 1.0
        self._dead: list[One] = []
        self._connecting: set[int] = set()
        self._lost = False

    # --- What may happen --------------------------------------------------------

    def kill(self, ones: list[One]) -> None:
        """They die, and nobody has noticed yet."""
        for one in ones:
            one.alive, one.died = False, self.now
        self._dead += ones

    def empty(self) -> None:
        """All processes begin anew, within some seconds, and nobody holds anything."""
        self.free = self.total
        for one in self.all:
            one.held, one.next_at = 0, self.now + self._chance.random() * STARTS
            one.there_from = one.next_at

    def replace(self, ones: list[One]) -> None:
        """They let go of all they hold within RESTS, and other processes take their places."""
        for one in ones:
            one.drains = True
        steps = round(RESTS / STEP)
        for step in range(steps, 0, -1):
            for one in ones:
                self._let_go(one, -(-one.held // step))
            self._step()
        for one in ones:
            one.drains, one.next_at = False, self.now + STARTS + self._chance.random()
            one.there_from = one.next_at

    # --- Time ---------------------------------------------------------------------

    def run(self, limit: float = LIMIT) -> Told:
        """Go on until all instances are connected and lie evenly; `back`: when they were connected."""
        began = back = self.now
        while self.now - began < limit:
            self._step()
            if self.free or self._dead or self._connecting:
                back = self.now
            elif self._even():
                break
        return Told(back - began, self._longest, self._most, self.moves / self.total, self._lost)

    def _step(self) -> None:
        self.now += STEP
        there = [one for one in self.all if one.alive]
        self._work += len(there) * self.costs.beat / 1000 * STEP
        self._bury(len(there))
        takers = [one for one in there if one.takes(self.now)]
        share, more = divmod(self.total, max(1, len(takers)))
        if self.free >= COUNTED:
            # As `Lease.shares` reckons then.
            known = self.total - self.free + max(COUNTED, FOR_ALL * len(there))
            share, more = min(share, known // max(1, len(takers))), 0
        for place, one in enumerate(takers):
            if one.next_at <= self.now:
                one.next_at = max(one.next_at + 1.0, self.now) + self._wait
                self._tick(one, share + (place < more))
        self._connect()
        self._work = max(0.0, self._work - self.cores * STEP)
        self._wait = self._work / self.cores
        self._longest = max(self._longest, self._wait)
        self._lost |= self._wait > TOO_LATE

    def _bury(self, there: int) -> None:
        """Some look at any moment: the first that sees the end of a lease buries."""
        late = LEASE + self._wait + self.between / max(1, there)
        for one in [one for one in self._dead if self.now - one.died >= late]:
            self._dead.remove(one)
            self.free += one.held
            one.held, one.connecting = 0, 0.0
            self._connecting.discard(one.number)
            self._work += self.costs.bury / 1000

    def _tick(self, one: One, limit: int) -> None:
        looks = bool(self.free) or self._chance.random() < 1 / self.between
        self._work += (self.costs.look * looks + self.costs.tidy + self.costs.claim) / 1000
        if self.free and one.held < limit:
            took = min(limit - one.held, TAKEN_AT_ONCE, self.free)
            self._work += self.costs.take / 1000
            self.free -= took
            one.held += took
            one.connecting += took
            self.moves += took
            self._connecting.add(one.number)
        elif one.held > limit and looks and self.free < COUNTED:
            self._let_go(one, min(HANDED_AT_ONCE, one.held - limit))

    def _let_go(self, one: One, some: int) -> None:
        one.held -= some
        one.connecting = min(one.connecting, one.held)
        self.free += some

    def _connect(self) -> None:
        # Each of those that start waits twice for the database: connecting, connected.
        rate = STARTERS / (STARTERS / CONNECTS + 2 * self._wait)
        for number in list(self._connecting):
            one = self.all[number]
            self._most = max(self._most, one.connecting)
            done = min(one.connecting, rate * STEP)
            one.connecting -= done
            self._work += 2 * done * self.costs.state / 1000
            if one.connecting <= 0:
                self._connecting.discard(number)

    def _even(self) -> bool:
        held = [one.held for one in self.all if one.alive]
        return max(held) - min(held) <= 1


def stories(make: Callable[[], World]) -> Iterator[tuple[str, Told]]:
    """What may happen to a fleet, each to one of its own."""
    world = make()
    world.kill(world.all[:1])
    yield "one_dead", world.run()
    world = make()
    world.kill(world.all[: len(world.all) // 3])
    yield "region_lost", world.run()
    world = make()
    world.empty()
    yield "cold", world.run()
    yield "upgrade", _upgrade(make())


def _upgrade(world: World) -> Told:
    """One part after another: the next one when all is connected and lies evenly."""
    told = Told(0.0, 0.0, 0.0, 0.0, False)
    size = max(1, len(world.all) // PARTS)
    for first in range(0, len(world.all), size):
        world.replace(world.all[first : first + size])
        told = world.run()
    told.back = world.now
    return told
