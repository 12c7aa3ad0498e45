"""Plots of pins, drawn here as SVG: no library in the browser, and nothing inline that the policy forbids."""

from dataclasses import dataclass

from chats.selectors.figures import OUTCOMES, Row

# Across in hundredths of whatever width there is, so that a phone's letters are as large as others; down in pixels.
WIDTH, HEIGHT = 100, 190
# Room below the bars for the days.
FOOT = 22
GAP = 0.22


@dataclass(frozen=True, slots=True)
class Bar:
    """One piece of a bar: where it stands, and for what."""

    outcome: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """A day: its pieces, and where its label stands."""

    row: Row
    bars: list[Bar]
    x: float
    labelled: bool
    # A label that a narrow screen has no room for.
    minor: bool


@dataclass(frozen=True, slots=True)
class Plot:
    """What the template draws."""

    columns: list[Column]
    # (height, number) of the lines across.
    lines: list[tuple[float, int]]


def plot(days: list[Row]) -> Plot:
    """Stacked bars, a day each."""
    most = max((row.total for row in days), default=0)
    top = _round_up(most)
    step, floor = WIDTH / max(len(days), 1), HEIGHT - FOOT
    every = max(1, len(days) // 8)
    columns = []
    for number, row in enumerate(days):
        bars, base = [], float(floor)
        for outcome in OUTCOMES:
            height = row.counts[outcome] / top * (floor - 8)
            if height:
                base -= height
                bars.append(
                    Bar(outcome, round((number + GAP / 2) * step, 3), round(base, 1), round(step * (1 - GAP), 3),
                        round(height, 1))
                )  # fmt: skip
        # Counted from today backwards, so that today has a label.
        before, between = divmod(len(days) - 1 - number, every)
        columns.append(Column(row, bars, round((number + 0.5) * step, 3), between == 0, before % 2 == 1))
    marks = (top, top // 2) if top % 2 == 0 else (top,)
    return Plot(columns, [(round(floor - mark / top * (floor - 8), 1), mark) for mark in marks])


def _round_up(most: int) -> int:
    """A round number that is not smaller: 1, 2, 4, 10, 20, 40, 100 …"""
    top = 1
    while True:
        for factor in (1, 2, 4):
            if top * factor >= most:
                return top * factor
        top *= 10
