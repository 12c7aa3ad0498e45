"""The process that holds live connections: it claims instances and keeps a session for each."""

import asyncio
import fcntl
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import IO, Any

from django.conf import settings
from django.db import DatabaseError

from chats.intake import Taken
from instances import leases
from instances.models import Instance
from instances.whatsapp import commands, database, housekeeping
from instances.whatsapp.history import History
from instances.whatsapp.session import Session
from instances.whatsapp.ticks import Ticks
from instances.whatsapp.writer import Writer
from portal.broker import NobodyListens, broker

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
THREADS = 64


class AlreadyRunning(Exception):
    """Another connector of this name runs on this data folder."""


class Connector:
    """Claims instances, renews its leases, and passes their messages on."""

    def __init__(self) -> None:
        self.name: str = settings.CONNECTOR_NAME
        self._sessions: dict[int, Session] = {}
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="connector")
        self._writer = Writer(self._on_taken)
        self._history = History(self._writer, self._on_history)
        self._ticks = Ticks()
        self._stop = asyncio.Event()
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._lock = _lock_name()

    def stop(self) -> None:
        """End `run`. Callable from any thread."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Hold connections until `stop`; then let them go in order."""
        await self._reach_broker()
        # The lock on our name proves that an earlier process of it is dead.
        await self._begin(await self._database(leases.reclaim, self.name))
        log.info("connector %s is up", self.name)
        ticks = 0
        while not self._stop.is_set():
            try:
                await self._tick(ticks)
            except DatabaseError:
                log.exception("the database is away; the connections stay")
            ticks += 1
            await self._sleep()
        await self._end()

    async def _tick(self, ticks: int) -> None:
        held = {pk: session.instance.epoch for pk, session in self._sessions.items()}
        still = await self._database(leases.renew, self.name, held)
        for pk in held.keys() - still:
            log.warning("instance %s is no longer ours", self._sessions[pk].instance.uid)
            await self._sessions.pop(pk).end()
        await self._begin(await self._database(leases.claim, self.name))
        for session in list(self._sessions.values()):
            await session.tick()
        await self._database(housekeeping.run, ticks)

    async def _begin(self, instances: list[Instance]) -> None:
        for instance in instances:
            session = Session(instance, self._pool, self._writer, self._history, self._ticks)
            self._sessions[instance.pk] = session
            await session.begin()

    async def _end(self) -> None:
        await asyncio.gather(*(session.end() for session in self._sessions.values()))
        await self._loop.run_in_executor(self._pool, self._history.close)
        await self._loop.run_in_executor(self._pool, self._writer.close)
        await self._loop.run_in_executor(self._pool, self._ticks.close)
        await self._database(leases.release, self.name, list(self._sessions))
        log.info("connector %s is down", self.name)

    async def _reach_broker(self) -> None:
        async def wake(_: str, __: dict[str, Any]) -> None:
            self._wake.set()

        while not self._stop.is_set():
            try:
                await broker().subscribe(commands.WAKE, wake)
                return
            except NobodyListens as error:
                log.warning("%s; trying again", error)
                await asyncio.sleep(0.5)

    async def _sleep(self) -> None:
        self._wake.clear()
        if self._stop.is_set():
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), TICK_SECONDS)

    def _on_taken(self, instance: Instance, taken: Taken, live: bool) -> None:
        """On the writer's thread: tell live pages, and ask for the names of new groups."""
        if taken.messages or taken.changed:
            payload = {
                "messages": [message.pk for message in taken.messages],
                "changed": sorted(taken.changed),
                "live": live,
            }
            broker().publish(commands.news_subject(instance.uid, "messages"), payload)
        session = self._sessions.get(instance.pk)
        if session is not None:
            for jid in taken.unnamed_groups:
                asyncio.run_coroutine_threadsafe(session.learn_group(jid), self._loop)

    def _on_history(self, instance: Instance) -> None:
        """On the history's thread: tell live pages how far it is."""
        topic = commands.news_subject(instance.uid, "history")
        broker().publish(topic, {"percent": instance.history_percent})

    async def _database(self, work: Any, *args: Any) -> Any:
        return await self._loop.run_in_executor(self._pool, lambda: database.call(work, *args))


def _lock_name() -> IO[str]:
    """Make sure that no other process of this name runs here; the lock goes with the process."""
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings.SESSION_DIR.mkdir(exist_ok=True, mode=0o700)
    lock = open(settings.DATA_DIR / "connector.lock", "w")  # noqa: SIM115  # held for life
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise AlreadyRunning("A connector already runs on this data folder. Stop it first.") from error
    return lock
