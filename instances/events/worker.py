"""Delivers events to webhooks, for as long as the process runs.

Runs on the broker's event loop. Each webhook that something is due at has a
task of its own, so one that sleeps costs the others nothing but that task.
"""

import asyncio
import logging
import time
from collections import defaultdict
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError
from nats.errors import Error as NatsError

from instances.events import book, outbox
from instances.events.models import Delivery
from instances.events.sender import Sender
from instances.events.turns import SILENCE, NoTurns, Turn, Turns
from instances.whatsapp.threads import Threads
from portal import metrics
from portal.broker import NobodyListens, broker
from portal.pool import Pool

log = logging.getLogger(__name__)

# Without being told of anything, look every so often (seconds).
LOOK_SECONDS = 1.0
HOUSEKEEPING_SECONDS = 60.0
TRY_AGAIN = 0.5
# A NATS that was restarted has forgotten that we wait; we ask again this often.
TAKE_SECONDS = 2.0
# Webhooks this process delivers to at the same moment.
WEBHOOKS_AT_ONCE = 1000
# Deliveries of one webhook that are read at once.
BATCH = 50
THREADS = 8
# What is under way when the process is told to stop has so long (seconds).
DRAIN_SECONDS = 6.0


class Worker:
    """One process's share of all deliveries; several share them by `Turns`."""

    def __init__(self) -> None:
        self._turns = Turns()
        self._sender = Sender()
        self._threads = Threads(Pool(THREADS, "worker"))
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._wake = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._free = asyncio.Semaphore(WEBHOOKS_AT_ONCE)
        # What is wrong, by where it was noticed.
        self._troubles: dict[str, str] = {}

    def stop(self) -> None:
        """End `run` once what is under way is through. Callable from any thread."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Deliver until `stop`."""
        await self._listen()
        log.info("the worker is up")
        loops = [asyncio.create_task(loop) for loop in (self._look(), self._take(), self._keep_house())]
        await self._stop.wait()
        for loop in loops:
            loop.cancel()
        await self._turns.close()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=DRAIN_SECONDS)
        for task in self._under_way:
            task.cancel()  # What it sent and nobody noted is sent again: at least once.
        await self._sender.close()
        log.info("the worker is down")

    # --- Finding what is due ------------------------------------------------

    async def _listen(self) -> None:
        async def wake(_: str, __: dict[str, Any]) -> None:
            self._wake.set()

        while not self._stop.is_set():
            try:
                await broker().subscribe(outbox.WAKE, wake)
                self._complain("listen", "")
                return
            except NobodyListens as error:
                self._complain("listen", str(error))
                await asyncio.sleep(TRY_AGAIN)

    async def _look(self) -> None:
        """Hand out new events, and queue the turn of each webhook that something is due at."""
        while True:
            self._wake.clear()
            try:
                more = await self._threads.ask(book.hand_out)
                for webhook in more | await self._threads.ask(book.due_webhooks):
                    await self._turns.offer(webhook)
                self._complain("look", "")
            except (DatabaseError, NoTurns) as error:
                self._complain("look", f"events wait: {error}")
                await asyncio.sleep(TRY_AGAIN)
                continue
            except Exception:
                # Whatever it is: nobody else looks, and the process would live all the same.
                log.exception("events wait; they are looked for again")
                await asyncio.sleep(TRY_AGAIN)
                continue
            if not more:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._wake.wait()

    async def _keep_house(self) -> None:
        while True:
            for job in (book.give_up, book.forget_old):
                try:
                    if done := await self._threads.ask(job):
                        log.info("%s: %d", job.__name__, done)
                except Exception:
                    log.exception("%s was not done; it is tried again", job.__name__)
            await asyncio.sleep(HOUSEKEEPING_SECONDS)

    # --- Delivering ---------------------------------------------------------

    async def _take(self) -> None:
        while True:
            await self._free.acquire()
            turn = None
            try:
                turn = await self._turns.take(TAKE_SECONDS)
                self._complain("take", "")
            except NoTurns as error:
                self._complain("take", f"events wait: {error}")
                await asyncio.sleep(TRY_AGAIN)
            except Exception:
                log.exception("events wait; turns are asked for again")
                await asyncio.sleep(TRY_AGAIN)
            if turn is None:
                self._free.release()
                continue
            task = asyncio.create_task(self._carry_out(turn))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _carry_out(self, turn: Turn) -> None:
        keeping = asyncio.create_task(self._keep(turn))
        try:
            emptied = await self._empty(turn.webhook)
            await (turn.end() if emptied else turn.hand_back())
            self._complain("deliver", "")
            # Something may have become due between our last look and the end
            # of the turn, when its own turn was refused as one too many.
            if emptied and turn.webhook in await self._threads.ask(book.due_webhooks):
                await self._turns.offer(turn.webhook)
        except (DatabaseError, NatsError, NoTurns) as error:
            # The turn comes again by itself; what was delivered is noted.
            self._complain("deliver", f"a webhook's events wait: {error}")
        except Exception:
            log.exception("a webhook's turn failed")
        finally:
            keeping.cancel()
            self._free.release()

    async def _keep(self, turn: Turn) -> None:
        while True:
            await asyncio.sleep(SILENCE / 4)
            with suppress(NatsError):
                await turn.keep()

    async def _empty(self, webhook: UUID) -> bool:
        """Deliver what is due at a webhook; False when the process is to stop before that is done."""
        while not self._stop.is_set():
            deliveries = await self._threads.ask(book.due, webhook, BATCH)
            if not deliveries:
                return True
            # Of one chat one after the other, in their order; of different ones some at once.
            chains: dict[str, list[Delivery]] = defaultdict(list)
            for delivery in deliveries:
                chains[delivery.event.about].append(delivery)
            places = asyncio.Semaphore(settings.WEBHOOK_CONCURRENCY)
            resting = asyncio.Event()
            sending = (self._send(chain, places, resting) for chain in chains.values())
            # All to their end, also when the database fails one: what is on the wire is not torn off.
            for trouble in await asyncio.gather(*sending, return_exceptions=True):
                if trouble is not None:
                    raise trouble
        return False

    async def _send(self, chain: list[Delivery], places: asyncio.Semaphore, resting: asyncio.Event) -> None:
        for delivery in chain:
            async with places:
                if resting.is_set() or self._stop.is_set():
                    return
                outcome = await self._sender.send(delivery)
                metrics.WEBHOOK_ATTEMPTS.labels("delivered" if outcome.delivered else "failed").inc()
                if not await self._threads.ask(book.note, delivery, outcome):
                    resting.set()

    # --- Helpers --------------------------------------------------------------

    def _complain(self, where: str, trouble: str) -> None:
        """Say what is wrong, once however many notice it, and when all of it is over."""
        # On the lines after its first PostgreSQL quotes the row that it refused.
        trouble = trouble.partition("\n")[0]
        before = self._troubles.pop(where, "")
        if trouble:
            if trouble != before and trouble not in self._troubles.values():
                log.warning("%s", trouble)
            self._troubles[where] = trouble
        elif before and not self._troubles:
            log.info("webhooks are delivered again (%s at %s)", settings.PROCESS_NAME, time.strftime("%X"))
