"""What a bench measured, written into a page of docs/ in the place of what stood there between two marks."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.registry import Bar

DOCS = Path(__file__).resolve().parents[2] / "docs"


def write(page: str, lines: Sequence[str], mark: str = "measured") -> None:
    """Put `lines` between `<!-- mark: begin -->` and `<!-- mark: end -->`; ValueError: the page has no such marks."""
    path, begin, end = DOCS / page, f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    text = path.read_text()
    if not (begin in text and end in text):
        raise ValueError(f"docs/{page} says nowhere where to put what was {mark}.")
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    path.write_text("\n".join([before + begin, "", *lines, "", end + after]))


def here() -> str:
    """When and on what machine."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, Python {platform.python_version()}"


def verdict(bar: Bar | None, value: float) -> str:
    """How a figure stands to its bar, in a table's words; empty: it has none."""
    return "" if bar is None else "holds" if bar.holds(value) else "**falls short**"
