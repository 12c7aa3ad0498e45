"""The measured table of docs/fleet.md."""

import os
from collections.abc import Sequence

from tests.bench import docs
from tests.bench.registry import Figure


def write(figures: Sequence[Figure]) -> None:
    """Put the table in the place of the former one."""
    rows = [f"Measured {docs.here()}; load average at the end {os.getloadavg()[0]:.1f}.", ""]
    rows += ["| figure | value | bar | |", "|---|---:|---:|---|"]
    for figure in figures:
        said = docs.verdict(figure.bar, figure.value)
        rows.append(f"| {figure.name} | {figure.value:.4g} {figure.unit} | {figure.bar or ''} | {said} |")
    docs.write("fleet.md", rows)
