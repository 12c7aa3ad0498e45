"""The measured table, written into docs/fleet.md between two marks."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.registry import Figure

PAGE = Path(__file__).resolve().parents[3] / "docs" / "fleet.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def write(figures: Sequence[Figure]) -> None:
    """Put the table in the place of the former one."""
    where = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, Python {platform.python_version()}"
    rows = [f"Measured {where}; load average at the end {os.getloadavg()[0]:.1f}.", ""]
    rows += ["| figure | value | bar | |", "|---|---:|---:|---|"]
    for figure in figures:
        verdict = "" if figure.bar is None else "holds" if figure.holds else "**falls short**"
        rows.append(f"| {figure.name} | {figure.value:.4g} {figure.unit} | {figure.bar or ''} | {verdict} |")
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n".join(rows) + f"\n\n{END}{after}")
