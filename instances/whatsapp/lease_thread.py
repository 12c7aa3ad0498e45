"""The thread on which a connector's lease does its work, with a connection to the database of its own.

One thread: what the lease does there happens in order. A connection of its own, outside the pool that all other
threads of the process share: while twenty slow statements hold all of those, the connector still beats, and nobody
takes its instances from it. It stays open, and none of what it waits for is without a limit: a machine of the
database that is silent is noticed here within half a lease, where the others take half a minute (`DATABASE_LIMITS`).
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import DatabaseError, connection, connections

from instances.whatsapp import database

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class LeaseThread:
    """Runs one thing after the other."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="lease", initializer=_own_connection)

    async def run(self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """Have `work` done, after what was asked for before. Raises what it raises; DatabaseError among it."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: _call(work, *args, **kwargs))

    def close(self) -> None:
        """End the thread, once what was asked for is done, and its connection."""
        self._executor.submit(_close)
        self._executor.shutdown()


def _call(work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    try:
        with database.one_name():
            return work(*args, **kwargs)
    except DatabaseError:
        # Whatever is wrong with it: the next call opens another one.
        connection.close()
        raise


def _close() -> None:
    # Of the thread it is called on.
    connection.close()


def _own_connection() -> None:
    """In this thread Django's connection is one of its own from now on. SQLite's is so anyway."""
    if connection.vendor != "postgresql":
        return
    own = connections["default"].copy()
    seconds = max(2, round(settings.LEASE.total_seconds() / 2))
    options = own.settings_dict["OPTIONS"]
    options.pop("pool", None)
    # Of libpq itself, so a pgbouncer hears nothing of it.
    options |= {
        "connect_timeout": seconds,
        "tcp_user_timeout": seconds * 1000,
        "keepalives_idle": seconds,
        "keepalives_interval": 1,
        "keepalives_count": 2,
    }
    connections["default"] = own
