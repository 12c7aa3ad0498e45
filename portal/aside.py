"""Looking something up for those who stream, beside the event loop.

On threads of a pool that lets go of them: those of asyncio's own stay for good,
and each keeps a connection to the database with what it has met.
"""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import close_old_connections

from portal import tracing
from portal.pool import Pool

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

# Each look takes some milliseconds. With more threads, as many work at once as readers happen to be due at the same
# moment, and each keeps memory of its own.
_POOL = Pool(2, "aside")


async def aside(work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """What `work` returns, done on a thread. Raises what it raises."""

    def whole() -> Result:
        try:
            return work(*args, **kwargs)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(_POOL, tracing.carried(whole))
