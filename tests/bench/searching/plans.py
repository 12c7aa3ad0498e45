"""How a database goes about a search."""

import re
import time
from typing import Any

from django.db import connection

from chats.search import parse
from chats.search.backends import backend
from chats.search.plan import Plan
from chats.search.planning import make_plan
from tests.bench.searching.queries import Question

LISTEN = (
    "LOAD 'auto_explain'",
    "SET auto_explain.log_min_duration = 0",
    "SET auto_explain.log_nested_statements = on",
    "SET auto_explain.log_analyze = on",
    "SET auto_explain.log_buffers = on",
    "SET client_min_messages = log",
)
# The connection goes back to where others get it.
FORGET = ("SET auto_explain.log_min_duration = -1", "RESET client_min_messages")


def plan(question: Question) -> list[str]:
    """How the database goes about the statement that takes it longest."""
    made = make_plan(question.scope, parse(question.text), None)
    if made is None:
        return []
    lines = _on_sqlite(made) if connection.vendor == "sqlite" else _on_postgres(made)
    # The marks are characters for private use, and tell a reader nothing.
    return ["".join(char if char.isprintable() else "·" for char in line)[:200] for line in lines]


def _on_sqlite(made: Plan) -> list[str]:
    taken: list[tuple[float, str, Any]] = []

    def listen(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        start = time.perf_counter()
        result = execute(sql, parameters, many, context)
        taken.append((time.perf_counter() - start, sql, parameters))
        return result

    with connection.execute_wrapper(listen):
        backend().find(made, 51)
    _, sql, parameters = max(taken, key=lambda entry: entry[0])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)
        return [str(row[-1]) for row in cursor.fetchall()]


def _on_postgres(made: Plan) -> list[str]:
    """What the server says of each statement, those within its function as well."""
    told: list[str] = []
    with connection.cursor() as cursor:
        for statement in LISTEN:
            cursor.execute(statement)
    handler = lambda note: told.append(note.message_primary)  # noqa: E731
    connection.connection.add_notice_handler(handler)
    try:
        backend().find(made, 51)
    finally:
        connection.connection.remove_notice_handler(handler)
        with connection.cursor() as cursor:
            for statement in FORGET:
                cursor.execute(statement)
    plans = [text.splitlines() for text in told if text.startswith("duration") and "chats_search_find(" not in text]
    return max(plans, key=lambda lines: float(re.findall(r"[0-9.]+", lines[0])[0]), default=[])
