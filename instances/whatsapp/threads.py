"""The threads of a pool, as an event loop uses them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import ParamSpec, TypeVar

from instances.whatsapp import database
from portal import tracing

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Threads:
    """Where an event loop has done what blocks."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool

    async def run(self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """What `work` returns, done on a thread, whose log lines are about what ours are. Raises what it raises."""
        called = tracing.carried(lambda: work(*args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._pool, called)

    async def ask(self, work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """The same for what asks the database."""
        return await self.run(lambda: database.call(work, *args, **kwargs))
