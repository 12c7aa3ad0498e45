"""What something costs the database and us, in CPU time: clocks on the wall tell what else the machine does."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from django.db import connection


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of CPU, each time: of the database's process that serves us, and of our own thread."""

    database: float
    ours: float


def cost(work: Callable[[], Any], times: int, *, warm: bool = True) -> Cost:
    """Do it so many times, on one connection; once before (`warm`), for what is done the first time alone."""
    if warm:
        work()
    backend = _backend()
    theirs, ours = spent(backend), time.thread_time()
    for _ in range(times):
        work()
    return Cost((spent(backend) - theirs) * 1000 / times, (time.thread_time() - ours) * 1000 / times)


def spent(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except OSError:
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)


def _backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def whole_table_reads(work: Callable[[], Any]) -> int:
    """How many statements of it the database answers by reading the whole table of instances."""
    found: dict[str, Any] = {}

    def listen(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if "instances_instance" in sql and sql.startswith(("SELECT", "UPDATE", "DELETE")):
            found[sql] = parameters
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(listen):
        work()
    return sum(_reads_all(sql, parameters) for sql, parameters in found.items())


def _reads_all(sql: str, parameters: Any) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}", parameters)
        lines = [str(line[0]) for line in cursor.fetchall()]
    # One that stops at its first row is not whole.
    return any("Seq Scan on instances_instance" in line for line in lines) and "Limit" not in lines[0]
