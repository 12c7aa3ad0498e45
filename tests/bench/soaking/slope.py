"""Whether a row of samples rises, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from statistics import fmean

# A rise is one when it is more than so many standard errors: of 700 flat rows one does not stay below, and fifteen are
# judged at once.
ERRORS = 3.0
# With fewer samples that say something of their own there is no error to speak of.
FEWEST = 3.0


@dataclass(frozen=True, slots=True)
class Slope:
    """A rise in units an hour, and its noise: as much as a flat row may seem to rise."""

    rise: float
    noise: float


def slope(seconds: Sequence[float], values: Sequence[float], resolution: float = 0.0) -> Slope:
    """The line of least squares through samples, at least four of them.

    Memory goes in steps and waves, so a sample repeats much of the one before.
    The standard error therefore counts n (1 - r) / (1 + r) samples, not n; r is
    the residuals' correlation with their predecessors (Santer et al. 2000,
    doi:10.1029/1999JD901105). So one step up is noise, and two are a rise.
    `resolution`: what comes to less than that in the whole time is noise too.
    """
    hours = [one / 3600 for one in seconds]
    middle, level = fmean(hours), fmean(values)
    spread = sum((hour - middle) ** 2 for hour in hours)
    rise = sum((hour - middle) * (value - level) for hour, value in zip(hours, values, strict=True)) / spread
    residuals = [value - level - rise * (hour - middle) for hour, value in zip(hours, values, strict=True)]
    squares = sum(one * one for one in residuals)
    least = resolution / (hours[-1] - hours[0])
    if squares <= 1e-12 * max(1.0, level * level):
        return Slope(rise, least)
    pairs = sum(before * after for before, after in pairwise(residuals))
    repeated = min(max(pairs / squares, 0.0), 0.99)
    own = max(len(values) * (1 - repeated) / (1 + repeated), FEWEST)
    return Slope(rise, max(ERRORS * sqrt(squares / (own - 2) / spread), least))
