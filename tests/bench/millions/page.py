"""The measured table of docs/scaling.md, a column a size."""

import os
import re
from collections.abc import Sequence

from tests.bench import docs
from tests.bench.registry import Figure

# In the lines that are printed, and not on the page: parts of what is there.
LEFT_OUT = re.compile(
    r"(beat|claim|tidy)_connector|surplus_database|page_home|nats_memory \(|between_looks|minute_beat"
)
SIZED = re.compile(r"million_(nats_)?(\d+)_(.+)")


def write(figures: Sequence[Figure], sizes: Sequence[int]) -> None:
    """Put the table in the place of the former one."""
    rows = [f"Measured {docs.here()}; load average at the end {os.getloadavg()[0]:.1f}.", ""]
    rows += [f"| figure, with so many instances | {' | '.join(f'{size:,}' for size in sizes)} | bar |"]
    rows += ["|---|" + "---:|" * len(sizes) + "---|"]
    lines: dict[str, dict[int, Figure]] = {}
    for figure in figures:
        found = SIZED.fullmatch(figure.name)
        name, size = (
            ((found[1] or "") + found[3], int(found[2])) if found else (figure.name[len("million_") :], sizes[-1])
        )
        lines.setdefault(f"{name} ({figure.unit})", {})[size] = figure
    for name, by_size in lines.items():
        cells = [f"{by_size[size].value:,.4g}" if size in by_size else "" for size in sizes]
        if LEFT_OUT.search(name):
            continue
        bars = {str(one.bar) for one in by_size.values() if one.bar}
        short = "" if all(one.holds for one in by_size.values()) else " **falls short**"
        rows.append(f"| {name} | {' | '.join(cells)} | {', '.join(sorted(bars))}{short} |")
    docs.write("scaling.md", rows)
