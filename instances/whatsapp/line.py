"""The client that speaks for one instance: one at a time, and another one, a little later, when it gives up."""

import asyncio
import itertools
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from functools import partial

from instances import proxies
from instances.models import Instance
from instances.states import State
from instances.whatsapp import events as ev
from instances.whatsapp import keys
from instances.whatsapp.adapter import Client, Shut
from instances.whatsapp.custody import Custody
from instances.whatsapp.outage import Outage
from instances.whatsapp.recording import Recording
from instances.whatsapp.threads import Threads
from portal import tracing
from portal.pool import Pool

log = logging.getLogger(__name__)

# So many clients start at once: threads of their own, because they wait for each other and for the network, and
# the pool's are wanted by those that are connected.
_STARTERS = Pool(16, "starting")
# And so many leave the air at once, however many threads of the pool wait for a database.
_LEAVING = Pool(16, "leaving")
# The library knows its clients by name, all of the process in one table: one that had the name of another, which is
# about to end, would be ended in its place.
_numbers = itertools.count()
BACKOFF_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Line:
    """One instance's client, on the connector's loop; the client's own threads bring what they hear."""

    def __init__(
        self,
        instance: Instance,
        holds: Callable[[], bool],
        threads: Threads,
        record: Recording,
        outage: Outage,
        custody: Callable[[], Custody],
        keep: Callable[[ev.Event], bool],
    ) -> None:
        """`custody` makes a client's; `keep` stores what is to be stored, on a client's thread, and says if it was."""
        self._instance = instance
        self._holds = holds
        self._threads = threads
        self._record = record
        self._outage = outage
        self._custody = custody
        self._keep = keep
        self.client: Client | None = None
        self.shut = Shut(partial(keys.secrets_of, instance.uid))
        # What a phone that wants to link must scan now.
        self.code = ""
        # Whoever changes the connection has this first.
        self.turn = asyncio.Lock()
        # No client is started any more.
        self.closing = False
        self._starting = asyncio.Lock()
        # Whoever lets one go.
        self._stopping = asyncio.Lock()
        # Which of all clients there have been is meant: what an earlier one says is no news.
        self._generation = 0
        self._heard: asyncio.Queue[tuple[int, ev.Event]] = asyncio.Queue()
        self._failures = 0
        # When to start a client by ourselves, in monotonic seconds; None: do not.
        self._start_at: float | None = None
        self._loop = asyncio.get_running_loop()

    # --- One client after the other ----------------------------------------

    async def start(self) -> None:
        """Connect, or link, with a new client in place of the one there is.

        One that cannot be made is tried again, whoever wanted it: nobody else would.
        """
        try:
            await self._start()
        except proxies.InvalidProxy as error:
            await self.failed(str(error))
        except Exception:
            log.exception("instance %s could not be started", self._instance.uid)
            # What it was may name places that are no matter of whoever reads the state.
            await self.failed("its client could not be started")

    async def _start(self) -> None:
        await self.stop()
        await self._former_gone()
        self._generation += 1
        generation = self._generation
        await self._record.state(State.CONNECTING if self._instance.linked else State.LINKING)
        # Its first events must not be dealt with before the client is known.
        async with self._starting:
            make = tracing.carried(partial(self._make_client, generation))
            self.client = await self._loop.run_in_executor(_STARTERS, make)
            if self.client is None and generation == self._generation:
                self.start_in(0)

    def _make_client(self, generation: int) -> Client | None:
        """On a thread. None: while it waited for one, somebody else took the instance over, or the session ends."""
        if self.closing or generation != self._generation or not self._holds():
            return None
        uid, proxy = self._instance.uid, proxies.address_of(self._instance)
        hear = partial(self._hear, generation)
        name = f"{uid.hex}-{next(_numbers)}"
        client = Client(keys.prepare(uid), name, hear, self._holds, proxy, self._custody(), self.shut)
        client.start()
        return client

    async def stop(self, then: Callable[[], None] | None = None) -> bool:
        """Off the air, and nobody listens to what the client still says; none is started by itself, unless it is said.

        Else the one that was to follow a failure would come although a person, or WhatsApp, has ended it meanwhile.
        Letting a client go takes its time. Who has something follow does it by `then`, or if the answer is True:
        else somebody has had it otherwise before it was gone.
        """
        self.at_rest()
        client, self.client = self.client, None
        self.code = ""
        self.listen_no_more()
        generation = self._generation
        try:
            if client is not None:
                async with self._stopping:
                    await self._threads.run(client.stop)
        finally:
            # Not before: the next one must not be started beside it. And in any case.
            if then is not None and generation == self._generation:
                then()
        return generation == self._generation

    def listen_no_more(self) -> None:
        """What the client says from here on is no news."""
        self._generation += 1

    async def leave(self) -> None:
        """Off the air at once, whatever the threads of the pool are at; `stop` must follow."""
        if self.client is not None:
            await self._loop.run_in_executor(_LEAVING, self.client.leave)

    async def close(self) -> None:
        """Off the air for good."""
        self.closing = True
        # A client that is being made would be nobody's, and one device with two connections spoils its keys.
        async with self._starting:
            await self.stop()
        await self._former_gone()

    async def _former_gone(self) -> None:
        """Wait for one that somebody else lets go: it may still take in what has come, by the same keys."""
        async with self._stopping:
            pass

    # --- What it says --------------------------------------------------------

    def _hear(self, generation: int, event: ev.Event) -> None:
        """On a thread of a client's."""
        if not self._keep(event):
            self._loop.call_soon_threadsafe(self._heard.put_nowait, (generation, event))

    async def heard(self) -> AsyncIterator[ev.Event]:
        """What the present client says, without end."""
        while True:
            generation, event = await self._heard.get()
            async with self._starting:
                pass
            if generation == self._generation:
                yield event

    # --- By itself -----------------------------------------------------------

    @property
    def due(self) -> bool:
        """Whether a client is to be started now."""
        return self._start_at is not None and time.monotonic() >= self._start_at

    @property
    def waits(self) -> bool:
        """Whether a client is to be started by itself, now or later."""
        return self._start_at is not None

    def start_in(self, seconds: float) -> None:
        """Have `start_if_due` start a client then, and not before."""
        self._start_at = time.monotonic() + seconds

    def at_rest(self) -> None:
        """What was to be started by itself is not."""
        self._start_at = None

    async def start_if_due(self) -> None:
        """Start the client that is due, unless so many fail that others are first."""
        # Whoever has the turn may want it otherwise.
        if not self.due or self.turn.locked() or not self._outage.may_try():
            return
        async with self.turn:
            if self.due:
                await self.start()

    def connected(self) -> None:
        """The client is on the air."""
        self.code = ""
        self.begin_anew()
        self._outage.over()

    def begin_anew(self) -> None:
        """What failed before does not count any more."""
        self._failures = 0
        self.at_rest()

    async def failed(self, reason: str) -> None:
        """The client gave up: start another one, each time a little later."""
        reason = proxies.without_password(self._instance, reason)
        if await self.stop(then=self._start_later):
            await self._record.state(State.DISCONNECTED if self._instance.linked else State.UNLINKED, reason)

    def _start_later(self) -> None:
        if not self._instance.linked:
            return
        wait = BACKOFF_SECONDS[min(self._failures, len(BACKOFF_SECONDS) - 1)]
        self._failures += 1
        self._outage.failed()
        # A little apart from each other, so that a thousand instances do not
        # all knock at the same moment.
        self.start_in(wait * random.uniform(0.8, 1.2))  # noqa: S311  # no secret
