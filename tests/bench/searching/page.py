"""The measured table and the query plans of the slowest, written into docs/search.md between two marks."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.registry import Bar

PAGE = Path(__file__).resolve().parents[3] / "docs" / "search.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
SLOWEST = 4


def write(told: Sequence[dict[str, Any]]) -> None:
    """Put the table in the place of the former one."""
    figures = [line for line in told if "name" in line]
    rows = ["| figure | value | bar | | load |", "|---|---:|---:|---|---:|"]
    for line in figures:
        bar = Bar(*line["bar"]) if line["bar"] else None
        verdict = "" if bar is None else "holds" if bar.holds(line["value"]) else "**falls short**"
        rows.append(
            f"| {line['name']} | {line['value']:.4g} {line['unit']} | {bar or ''} | {verdict} | {line['load']} |"
        )
    slowest = sorted((line for line in told if "plan" in line), key=lambda line: -line["ms"])[:SLOWEST]
    plans = [
        f"`{line['plan']}`, {line['ms']:.1f} ms, {line['query']!r}:\n\n```\n" + "\n".join(line["lines"]) + "\n```"
        for line in slowest
    ]
    where = f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}"
    body = "\n".join(
        [
            BEGIN,
            "",
            f"Measured {where}. `load`: the machine's load average at that moment.",
            "",
            *rows,
            "",
            "The slowest, and how the database went about them:",
            "",
        ]
    )
    text = PAGE.read_text() if PAGE.exists() else f"# Search\n\n{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + body + "\n" + "\n\n".join(plans) + f"\n\n{END}" + after)
