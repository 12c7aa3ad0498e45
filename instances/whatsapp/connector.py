"""The process that holds live connections: it claims instances and keeps a session for each."""

import asyncio
import logging
from collections.abc import Awaitable, Coroutine, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from django.conf import settings
from django.db import DatabaseError

from chats.intake import Taken
from instances import labels
from instances.leases import TAKEN_AT_ONCE, Lease
from instances.models import Instance
from instances.states import State
from instances.whatsapp import commands, housekeeping, journal, keys, name_lock
from instances.whatsapp.adapter import Client
from instances.whatsapp.history import History
from instances.whatsapp.journal import Journal
from instances.whatsapp.lease_thread import LeaseThread
from instances.whatsapp.outage import Outage
from instances.whatsapp.session import Session
from instances.whatsapp.stating import save_unplaced, tell
from instances.whatsapp.threads import Threads
from instances.whatsapp.ticks import Ticks
from instances.whatsapp.writer import Writer
from portal import metrics
from portal.broker import NobodyListens, broker
from portal.pool import Pool

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
BEAT_SECONDS = 1.0
WATCH_SECONDS = 0.2
THREADS = 64
# How often to look for pieces of history that were written down elsewhere.
LOOK_TICKS = 60
# Many that let go of instances call the others at once; and each call wakes all: in a fleet of some hundred, which
# asks the database at each tick as often as there are connectors, hardly more often than they tick anyway.
CALL_SECONDS = 0.05
SPACING_SECONDS = 0.002


class Connector:
    """Holds its share of the instances, for as long as its lease is good, and passes their messages on."""

    def __init__(self) -> None:
        self.name: str = settings.CONNECTOR_NAME
        self._lock = name_lock.take(self.name)
        self.lease = Lease(self.name, keys.place(), offered=labels.normal(settings.CONNECTOR_LABELS))
        # It never waits behind sixty pins that wait for WhatsApp, nor for a connection to the database.
        self._lease_thread = LeaseThread()
        self._sessions: dict[int, Session] = {}
        # Those that begin, and whether the first of them have begun.
        self._beginning: set[asyncio.Task[None]] = set()
        self._settled = False
        # Those whose instance was taken from us, while they end.
        self._ending: dict[int, asyncio.Task[None]] = {}
        self._pool = Pool(THREADS, "connector")
        self._threads = Threads(self._pool)
        self._writer = Writer(Journal(journal.place()), self._on_taken)
        self._history = History(self._writer, self._on_history)
        self._ticks = Ticks()
        self._outage = Outage()
        # It has ended because it was worn, and is to be started anew.
        self.worn = False
        self._stop = asyncio.Event()
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._calling: asyncio.Task[None] | None = None
        self._tidying: asyncio.Task[None] | None = None
        self._ticked_at = 0.0

    def stop(self) -> None:
        """End `run`. Callable from any thread."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._loop.call_soon_threadsafe(self._wake.set)

    @property
    def missing(self) -> str:
        """What keeps others from relying on it; empty: nothing. May be asked from any thread.

        It has settled when it has its row, what a killed process left is stored, and all that was free and is its
        share has begun to connect. Once is enough: later ones do not undo it.
        """
        if not self._settled:
            return "it is still starting"
        return "" if self.lease.good else "its lease is not good"

    async def run(self) -> None:
        """Hold connections until `stop`, or until it is worn; then let them go in order."""
        await self._reach_broker()
        await self._enter()
        beside = [self._spawn(self._beat()), self._spawn(self._watch())]
        await self._take_over()
        self._count_states()
        metrics.QUEUE.set_function(lambda: self._writer.waiting)
        metrics.LEASE_SECONDS.set_function(lambda: self.lease.seconds_left)
        log.info("connector %s is up", self.name)
        ticks = 0
        while not self._stop.is_set():
            more = False
            try:
                more = await self._tick(ticks)
            except DatabaseError:
                log.exception("the database is away")
            else:
                self._settled |= not more and not self._beginning
            ticks += 1
            self.worn = self._has_worn()
            if self.worn:
                log.warning("%d clients were stopped here, and the library keeps what it opened for each: "
                            "this connector ends, to be started anew", Client.stopped)  # fmt: skip
                break
            await (self._sleep(0) if more else self._sleep())
        await self._drain()
        for task in beside:
            task.cancel()
        self._lease_thread.close()

    def _count_states(self) -> None:
        """For whoever asks: not told at each tick, of which there are none while the database is away.

        Without a lease it holds nothing: all are off the air, and by now perhaps another's, who counts them too.
        """

        def held(state: str) -> int:
            # On the thread that answers Prometheus.
            there = list(self._sessions.values()) if self.lease.good else []
            return sum(session.instance.state == state for session in there)

        for state in State.values:
            metrics.CONNECTIONS.labels(state).set_function(partial(held, state))

    def _has_worn(self) -> bool:
        """Whether so many clients have come and gone that a new process is due, and nothing is under way."""
        most = max(settings.CONNECTOR_CLIENTS, 3 * len(self._sessions))
        return settings.CONNECTOR_CLIENTS > 0 and most <= Client.stopped and all(
            session.idle for session in self._sessions.values()
        )  # fmt: skip

    async def _take_over(self) -> None:
        """Before any connection: what comes again must be known for what is there."""
        while not self._stop.is_set():
            work: asyncio.Future[Any] = asyncio.create_task(self._threads.run(self._writer.take_over, journal.place()))
            stop: asyncio.Future[Any] = asyncio.create_task(self._stop.wait())
            await asyncio.wait([work, stop], return_when=asyncio.FIRST_COMPLETED)
            stop.cancel()
            try:
                if work.done():
                    work.result()
                    return
            except (DatabaseError, OSError):
                log.exception("what a killed process left cannot be stored yet")
                await asyncio.sleep(BEAT_SECONDS)

    # --- The lease ----------------------------------------------------------

    async def _enter(self) -> None:
        """Make our row; while one of our name is there that may be alive, wait until it is silent."""
        former = name_lock.former_run(self._lock)
        while not self._stop.is_set():
            try:
                if await self._leasing(self.lease.enter, former):
                    name_lock.note_run(self._lock, self.lease.run)
                    return
                log.warning("another connector is called %s; waiting for it to be silent", self.name)
            except Exception:
                # Whatever it is: without a lease nothing is done here, and the process would live all the same.
                log.exception("no lease is to be had")
            await asyncio.sleep(BEAT_SECONDS)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                if not await self._leasing(self.lease.beat):
                    log.warning("connector %s was taken for dead: its instances are another's", self.name)
                    await self._enter()
            except Exception:
                # Whatever it is: nobody else beats.
                log.exception("the lease is not renewed")

    async def _watch(self) -> None:
        """Leave the air before anybody else may think that we are dead. Asks no database: that may be why."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if not self.lease.good:
                sessions = list(self._sessions.values())
                # All off the air first: letting a client go takes its time.
                await _all(session.leave() for session in sessions)
                await _all(session.stand_down() for session in sessions)

    async def _tick(self, ticks: int) -> bool:
        """Once a second; True: there may be more to take at once."""
        self._ticked_at = self._loop.time()
        if gone := await self._leasing(self.lease.look_around):
            log.warning("%s silent for too long: the instances are free", gone)
        for pk, session in list(self._sessions.items()):
            if self.lease.held.get(pk) != session.instance.epoch:
                self._lose(session)
        await self._hand_over()
        taken = await self._leasing(self.lease.claim)
        for instance in taken:
            metrics.LEASES.labels("taken").inc()
            if instance.pk in self._sessions:
                # Lost and taken again since we looked.
                self._lose(self._sessions[instance.pk])
            self._sessions[instance.pk] = Session(
                instance, self.lease, self._pool, self._writer, self._history, self._ticks, self._outage
            )
            beginning = self._spawn(self._begin(self._sessions[instance.pk]))
            self._beginning.add(beginning)
            beginning.add_done_callback(self._beginning.discard)
        await self._note_unplaced()
        if ticks % LOOK_TICKS == 0:
            self._history.resume(*(session.instance for session in self._sessions.values()))
        for session in list(self._sessions.values()):
            if session.due:
                self._spawn(session.tick())
        # Beside the ticks: it may take longer than an instance may be without a connector.
        if self._tidying is None or self._tidying.done():
            self._tidying = self._spawn(self._threads.ask(housekeeping.run, ticks, self.lease.fleet))
        # Each takes its share and no more, however soon it comes again: so the others find theirs.
        return len(taken) >= TAKEN_AT_ONCE

    def _lose(self, session: Session) -> None:
        """End one whose instance was taken from us; whoever has it next here waits for that."""
        log.warning("instance %s is no longer ours", session.instance.uid)
        metrics.LEASES.labels("lost").inc()
        pk = session.instance.pk
        del self._sessions[pk]

        def over(ended: asyncio.Task[None]) -> None:
            if self._ending.get(pk) is ended:
                del self._ending[pk]

        self._ending[pk] = ending = self._spawn(_end_after(self._ending.get(pk), session))
        ending.add_done_callback(over)

    async def _begin(self, session: Session) -> None:
        # An instance may come back to us at once: two clients with the same keys would spoil them.
        if former := self._ending.get(session.instance.pk):
            await asyncio.wait([former])
        try:
            await session.begin()
        except (DatabaseError, NobodyListens):
            log.exception("instance %s cannot begin; it is taken again", session.instance.uid)
            await self._let_go(session)

    async def _hand_over(self) -> None:
        """Give a few to others, those that nobody uses at this moment."""
        idle = [pk for pk, session in self._sessions.items() if session.idle]
        chosen = await self._leasing(self.lease.surplus, idle)
        # One may have been lost while the lease was asked.
        await _all(self._let_go(self._sessions[pk]) for pk in chosen if pk in self._sessions)

    async def _note_unplaced(self) -> None:
        """Say of instances that no connector may hold why nothing happens."""
        number, unplaced = await self._leasing(self.lease.unplaced)
        metrics.UNPLACED.set(number)
        if not unplaced:
            return
        tell(await self._threads.ask(save_unplaced, unplaced))

    async def _let_go(self, session: Session) -> None:
        """End a session, and only then let another connector have its instance."""
        pk = session.instance.pk
        await session.end()
        if self._sessions.get(pk) is not session:
            return  # It was lost meanwhile, and if it is ours again, that is another session's.
        del self._sessions[pk]
        with suppress(DatabaseError):
            await self._leasing(self.lease.release, pk, session.instance.epoch)
        metrics.LEASES.labels("handed over").inc()
        if self._calling is None or self._calling.done():
            self._calling = self._spawn(self._call_others(CALL_SECONDS))

    async def _drain(self) -> None:
        """Go in order: nothing is lost, and the others take over instance by instance."""
        with suppress(DatabaseError):
            await self._leasing(self.lease.drain)
        # One that cannot be ended keeps no other one, nor what is not stored yet: it is free when our lease is over.
        await _all(self._let_go(session) for session in list(self._sessions.values()))
        await self._threads.run(self._history.close)
        await self._threads.run(self._writer.close)
        await self._threads.run(self._ticks.close)
        if not self._sessions:
            with suppress(DatabaseError):
                await self._leasing(self.lease.leave)
        await self._call_others()
        if self._tidying is not None:
            await asyncio.wait([self._tidying])
        log.info("connector %s is down", self.name)

    async def _call_others(self, seconds: float = 0) -> None:
        await asyncio.sleep(seconds)
        with suppress(NobodyListens):
            await broker().publish_async(commands.WAKE, {"from": self.name})

    async def _leasing(self, work: Any, *args: Any) -> Any:
        return await self._lease_thread.run(work, *args)

    # --- The rest -------------------------------------------------------------

    async def _reach_broker(self) -> None:
        async def wake(_: str, payload: dict[str, Any]) -> None:
            if payload.get("from") != self.name:
                self._wake.set()

        while not self._stop.is_set():
            try:
                await broker().subscribe(commands.WAKE, wake)
                return
            except NobodyListens as error:
                log.warning("%s; trying again", error)
                await asyncio.sleep(0.5)

    async def _sleep(self, seconds: float = TICK_SECONDS) -> None:
        """Until the next tick: so long, unless somebody calls, but never less than the fleet's spacing."""
        self._wake.clear()
        if self._stop.is_set():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        spacing = min(self.lease.fleet * SPACING_SECONDS, TICK_SECONDS)
        await asyncio.sleep(max(0.0, self._ticked_at + spacing - self._loop.time()))

    def _on_taken(self, instance: Instance, taken: Taken, live: bool) -> None:
        """On the writer's thread: tell live pages, and ask for the names of new groups."""
        metrics.MESSAGES.inc(len(taken.messages))
        if taken.messages or taken.changed:
            payload = {
                "messages": [message.pk for message in taken.messages],
                "changed": sorted(taken.changed),
                "live": live,
                "at": taken.at.isoformat(),
            }
            broker().publish(commands.news_subject(instance.uid, "messages"), payload)
        session = self._sessions.get(instance.pk)
        if session is not None:
            for jid in taken.unknown_groups:
                asyncio.run_coroutine_threadsafe(session.learn_group(jid), self._loop)

    def _on_history(self, instance: Instance) -> None:
        """On the history's thread: tell live pages how far it is."""
        topic = commands.news_subject(instance.uid, "history")
        broker().publish(topic, {"percent": instance.history_percent})

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a fault of ours", exc_info=error)


async def _end_after(former: asyncio.Task[None] | None, session: Session) -> None:
    """End a session at once; but it is not over before an earlier one's end that is still under way."""
    try:
        await session.end()
    finally:
        if former is not None:
            await asyncio.wait([former])


async def _all(work: Iterable[Awaitable[None]]) -> None:
    """Have all of it done; what fails keeps nothing else from being done."""
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, Exception):
            log.error("a fault of ours", exc_info=outcome)
