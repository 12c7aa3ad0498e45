"""Search at a million messages, and at ten: SEARCH_ROWS=1000000,10000000, on both databases (SEARCH_ON=sqlite).

Each database is a process of its own. It fills the database, measures, makes
the rows ten times as many and measures again. The table in docs/search.md is
written at the end of a run that was not narrowed by SEARCH_ON.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from tests.bench.registry import Bar, Figure, bench
from tests.bench.searching.page import write


@bench("search")
def search() -> Iterator[Figure]:
    """Latencies of searches as a page does them, intake with the index, bytes on disk."""
    told: list[dict[str, object]] = []
    databases = os.environ.get("SEARCH_ON", "sqlite,postgres").split(",")
    for database in databases:
        for line in _in_process_of_its_own(database):
            told.append(line)
            if "name" in line:
                bar = Bar(*line["bar"]) if line["bar"] else None  # type: ignore[misc]
                yield Figure(str(line["name"]), float(str(line["value"])), str(line["unit"]), bar)
    if len(databases) > 1:
        write(told)


def _in_process_of_its_own(database: str) -> Iterator[dict[str, object]]:
    command = [sys.executable, "-m", "tests.bench.searching.worker", database]
    if database == "postgres":
        command[1:1] = ["-m", "tests.postgres", sys.executable]
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder:
        environment = {**os.environ, "DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        if database == "sqlite":
            environment.pop("DATABASE_URL", None)
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            for line in process.stdout:
                yield json.loads(line)
        if process.returncode:
            raise SystemExit(f"the measurement of search on {database} ended with {process.returncode}")
