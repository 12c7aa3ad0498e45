"""Search at a million messages, and at ten: SEARCH_ROWS=1000000,10000000, on both databases (SEARCH_ON=sqlite).

Each database of each size is a process of its own, which fills the database
and measures. A database's table in docs/search-internals.md is written when all its
sizes are measured, unless there was only one. SEARCH_KEEP=folder keeps the
filled databases there for the next run, which fills again only what would be
filled otherwise by then.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.registry import Bar, Figure, bench
from tests.bench.searching.load import fingerprint
from tests.bench.searching.page import write

# In a kept folder: what the database there was filled with.
FILLED = "filled"


@bench("search")
def search() -> Iterator[Figure]:
    """Latencies of searches as a page does them, intake with the index, bytes on disk."""
    databases = os.environ.get("SEARCH_ON", "sqlite,postgres").split(",")
    sizes = os.environ.get("SEARCH_ROWS", "1000000").split(",")
    for database in databases:
        told: list[dict[str, object]] = []
        for size in sizes:
            for line in _in_process_of_its_own(database, size):
                told.append(line)
                if "name" in line:
                    yield _figure(line)
        told += (grown := list(growth(told, database)))
        yield from map(_figure, grown)
        if len(sizes) > 1 and told:
            write(database, told)


def growth(told: list[dict[str, object]], database: str) -> Iterator[dict[str, object]]:
    """What a message costs at the largest size, against the smallest."""
    rates = [line for line in told if re.fullmatch(f"search_{database}_.*_taken_in", str(line.get("name")))]
    if len(rates) > 1:
        cost = float(str(rates[0]["value"])) / float(str(rates[-1]["value"]))
        name = f"search_{database}_growth_of_cost"
        yield {"name": name, "value": cost, "unit": "times", "bar": [1.5, False], "load": rates[-1]["load"]}


def _figure(line: dict[str, object]) -> Figure:
    bar = Bar(*line["bar"]) if line["bar"] else None  # type: ignore[misc]
    return Figure(str(line["name"]), float(str(line["value"])), str(line["unit"]), bar)


def _in_process_of_its_own(database: str, size: str) -> Iterator[dict[str, object]]:
    with _folder(database, size) as folder:
        command = [sys.executable, "-m", "tests.bench.searching.worker", database, size]
        if database == "postgres":
            command[1:1] = ["-m", "tests.postgres", "--keep", str(folder), "--large", sys.executable]
        environment = {**os.environ, "DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "tests.settings"}
        if database == "sqlite":
            environment.pop("DATABASE_URL", None)
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            for line in process.stdout:
                told = json.loads(line)
                if FILLED in told:
                    (folder / FILLED).write_text(fingerprint(database))
                else:
                    yield told
        if process.returncode:
            raise SystemExit(f"the measurement of search on {database} ended with {process.returncode}")


@contextmanager
def _folder(database: str, size: str) -> Iterator[Path]:
    """Where a database lives: for this run, or in SEARCH_KEEP for longer."""
    keep = os.environ.get("SEARCH_KEEP")
    if not keep:
        with tempfile.TemporaryDirectory(prefix="portal-bench-") as name:
            # PostgreSQL runs as somebody else.
            Path(name).chmod(0o755)
            yield Path(name)
        return
    folder = Path(keep).resolve() / f"search-{database}-{size}"
    mark = folder / FILLED
    if folder.exists() and (not mark.exists() or mark.read_text() != fingerprint(database)):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
