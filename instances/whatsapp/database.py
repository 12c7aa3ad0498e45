"""Database calls from the connector's threads, which no request begins or ends."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import connection

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def call(work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Run `work`, and leave the thread's connection fit for the next call.

    A PostgreSQL connection goes back into the pool; a SQLite one stays open,
    unless it has failed.
    """
    try:
        return work(*args, **kwargs)
    except BaseException:
        connection.close()
        raise
    finally:
        if connection.vendor != "sqlite":
            connection.close()
