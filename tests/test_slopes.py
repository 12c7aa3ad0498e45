"""What the soak calls a rise, and what it calls noise."""

import random
from collections.abc import Callable
from functools import partial

import pytest

from tests.bench.soaking.slope import Slope, slope

# An hour's samples after the warm-up, one a minute.
MINUTES = range(45)


def rises(value: Callable[[float], float], seed: int = 1, noise: float = 0.0) -> bool:
    """Whether a curve over hours is said to rise."""
    found = of(value, seed, noise)
    return found.rise > found.noise


def step(at: float, hour: float) -> float:
    return 12 + (hour > at)


def of(value: Callable[[float], float], seed: int = 1, noise: float = 0.0) -> Slope:
    chance = random.Random(seed)
    hours = [minute / 60 for minute in MINUTES]
    return slope([3600 * hour for hour in hours], [value(hour) + chance.gauss(0, noise) for hour in hours])


def test_a_line() -> None:
    found = of(lambda hour: 80 + 6 * hour)
    assert found.rise == pytest.approx(6)
    assert found.noise == pytest.approx(0, abs=1e-6)


def test_a_leak_stands_out_of_the_noise() -> None:
    found = [rises(lambda hour: 80 + 5 * hour, seed, noise=1.0) for seed in range(50)]
    assert sum(found) >= 48


def test_what_is_flat_seldom_seems_to_rise() -> None:
    found = [rises(lambda hour: 80, seed, noise=1.0) for seed in range(200)]
    assert sum(found) <= 3


def test_a_constant_does_not_rise() -> None:
    assert of(lambda hour: 12) == Slope(0, 0)


def test_one_step_is_noise_and_two_are_a_rise() -> None:
    for minute in MINUTES:
        assert not rises(partial(step, minute / 60))
    assert rises(lambda hour: 12 + (hour > 0.25) + (hour > 0.5))


def test_waves_that_are_longer_than_a_sample() -> None:
    """A collector's saw: samples tell less than there are of them."""
    assert not rises(lambda hour: 80 + 10 * ((hour * 4) % 1))


def test_what_goes_down_does_not_rise() -> None:
    assert not rises(lambda hour: 80 - 5 * hour, noise=0.5)


def test_a_leak_below_the_waves() -> None:
    assert rises(lambda hour: 80 + 20 * hour + 4 * ((hour * 6) % 1))


def test_what_is_less_than_can_be_told() -> None:
    """An allocator's pieces: a quarter of a MiB in all is no rise, and what comes to more is one."""
    seconds = [60.0 * minute for minute in MINUTES]
    for an_hour, is_one in ((0.3, False), (0.4, True)):
        found = slope(seconds, [8 + an_hour * second / 3600 for second in seconds], 0.25)
        assert (found.rise > found.noise) is is_one
    assert slope(seconds, [8.0] * len(seconds), 0.25).rise == 0
