"""Database calls from the connector's threads, which no request begins or ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connection

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def call(work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Run `work`, and leave the thread's connection fit for the next call.

    A PostgreSQL connection goes back into the pool; a SQLite one stays open,
    unless it has failed. Raises DatabaseError.
    """
    try:
        with one_name():
            return work(*args, **kwargs)
    except BaseException:
        connection.close()
        raise
    finally:
        if connection.vendor != "sqlite":
            connection.close()


@contextmanager
def one_name() -> Iterator[None]:
    """A connection that is gone is an InterfaceError to who uses it next, which is no DatabaseError: here it is one."""
    try:
        yield
    except InterfaceError as error:
        raise OperationalError(*error.args) from error
