"""What a measurement is, and the list of all of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure must reach: at most, or at least, a value."""

    limit: float
    least: bool = False

    def __str__(self) -> str:
        return f"{'>=' if self.least else '<='}{self.limit:g}"

    def holds(self, value: float) -> bool:
        """Whether the value reaches it."""
        return value >= self.limit if self.least else value <= self.limit


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number; without a bar it is told, not judged."""

    name: str
    value: float
    unit: str
    bar: Bar | None = None

    @property
    def holds(self) -> bool:
        """Whether it reaches its bar."""
        return self.bar is None or self.bar.holds(self.value)

    def __str__(self) -> str:
        verdict = "holds" if self.holds else "falls-short"
        return f"{self.name} {self.value:.4g} {self.unit} {self.bar or '-'} {verdict}"


Bench = Callable[[], Iterator[Figure]]
BENCHES: dict[str, Bench] = {}


def at_most(limit: float) -> Bar:
    """A bar from above."""
    return Bar(limit)


def at_least(limit: float) -> Bar:
    """A bar from below."""
    return Bar(limit, least=True)


def bench(name: str) -> Callable[[Bench], Bench]:
    """Enter a measurement into the list, under a name that its figures begin with."""

    def enter(measure: Bench) -> Bench:
        BENCHES[name] = measure
        return measure

    return enter
