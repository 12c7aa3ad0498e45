"""How a database goes about a search."""

import time
from typing import Any

from django.db import connection

from chats.search import parse
from chats.search.backends import backend
from chats.search.plan import make_plan
from tests.bench.searching.queries import Question


def plan(question: Question) -> list[str]:
    """How the database goes about the statement that took it longest."""
    made = make_plan(question.scope, parse(question.text), None)
    if made is None:
        return []
    taken: list[tuple[float, str, Any]] = []

    def listen(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        start = time.perf_counter()
        result = execute(sql, parameters, many, context)
        taken.append((time.perf_counter() - start, sql, parameters))
        return result

    with connection.execute_wrapper(listen):
        backend().find(made, 51)
    _, sql, parameters = max(taken, key=lambda entry: entry[0])
    explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN (ANALYZE, BUFFERS)"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {sql}", parameters)
        lines = [str(row[-1]) for row in cursor.fetchall()]
    # The marks are characters for private use, and tell a reader nothing.
    return ["".join(char if char.isprintable() else "·" for char in line)[:200] for line in lines]
