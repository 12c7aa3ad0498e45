"""The model of a fleet (`make bench ONLY=million`): no instance gets lost in it, and it can end badly."""

from tests.bench.millions.model import Costs, World, stories

COSTS = Costs(beat=0.1, look=0.2, claim=0.2, tidy=0.1, take=1.5, bury=8.0, state=0.3)


def make() -> World:
    return World(20, 50, COSTS, cores=4)


def test_it_works() -> None:
    told = dict(stories(make))
    assert 6 < told["one_dead"].back < 10, "a lease, and a second or two"
    assert told["one_dead"].moves == 1 / 20
    assert told["region_lost"].moves == 6 / 20
    assert 1 <= told["cold"].moves < 2, "who comes early hands over to who comes late"
    assert 1 <= told["upgrade"].moves <= 2
    assert not any(what.leases_lost for what in told.values())


def test_the_same_in_every_run() -> None:
    assert dict(stories(make)) == dict(stories(make))


def test_no_instance_gets_lost() -> None:
    world = make()
    world.kill(world.all[3:9])
    world.run()
    assert sum(one.held for one in world.all) == world.total
    assert all(one.held == 0 for one in world.all[3:9])


def test_a_database_that_is_too_slow_costs_the_leases() -> None:
    world = World(200, 50, COSTS, cores=1)
    world.costs = Costs(beat=20.0, look=20.0, claim=20.0, tidy=0.1, take=20.0, bury=8.0, state=20.0)
    world.empty()
    assert world.run(limit=60).leases_lost
