"""The measured tables of docs/search-internals.md, one a database, and the query plans of the slowest."""

from collections.abc import Sequence
from typing import Any

from tests.bench import docs
from tests.bench.registry import Bar

SLOWEST = 2


def write(database: str, told: Sequence[dict[str, Any]]) -> None:
    """Put what was told of one database in the place of what was before."""
    rows = [f"Measured {docs.here()}. `load`: the machine's load average at that moment.", ""]
    rows += ["| figure | value | bar | | load |", "|---|---:|---:|---|---:|"]
    for line in (line for line in told if "name" in line):
        bar = Bar(*line["bar"]) if line["bar"] else None
        said = docs.verdict(bar, line["value"])
        rows.append(f"| {line['name']} | {line['value']:.4g} {line['unit']} | {bar or ''} | {said} | {line['load']} |")
    rows += ["", "The slowest, and how the database went about them:"]
    for line in sorted((line for line in told if "plan" in line), key=lambda line: -line["ms"])[:SLOWEST]:
        rows += ["", f"`{line['plan']}`, {line['ms']:.1f} ms, {line['query']!r}:", "", "```", *line["lines"], "```"]
    docs.write("search-internals.md", rows, f"measured on {database}")
