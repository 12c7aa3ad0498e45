"""The NATS connection: one a process, on one event-loop thread of its own.

Django's code is mostly synchronous and nats-py is asyncio; this is where the
two meet. Nothing is ever queued: while the server is away a request fails at
once instead of being delivered late.
"""

import asyncio
import json
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

from portal import crowd, reaching, tracing

log = logging.getLogger(__name__)

# Beside a command's own fields: the request on whose behalf it is given.
REQUEST_ID = "~request"

Payload = dict[str, Any]
Handler = Callable[[str, Payload], Awaitable[Payload | None]]
Result = TypeVar("Result")

# How long the first callers wait for the connection to come up. Whoever finds
# it down later is told at once.
CONNECT_SECONDS = 1.0
RECONNECT_SECONDS: Any = 0.25  # nats-py says int, and takes a float as well
# How often a caller who waits looks whether the other side is still there:
# sooner than a process that was killed can be up again.
WATCH_SECONDS = 0.5
REPLY_SECONDS = 0.1
# How long NATS may take over the answer to whether it is there.
PONG_SECONDS = 1.0
# Longer than nats-py needs to give up a server that says nothing at all.
PATIENCE_SECONDS = 3600


class NobodyListens(Exception):
    """No process listens on the subject, or NATS itself cannot be reached. Nothing was delivered."""


class NoReply(Exception):
    """The request was delivered, and no reply came in time."""


@dataclass(eq=False, slots=True)
class _Listening:
    """Who listens on a subject, for as long as nobody ends it."""

    subject: str
    hear: Callable[[Msg], Awaitable[None]]
    subscription: Subscription


class Broker:
    """A connection to NATS for synchronous code, opened at first use."""

    def __init__(self, url: str, name: str, authority: str = "") -> None:
        """`authority`: whose signature the servers' certificates must bear (`portal.reaching`)."""
        self._url = url
        self._authority = authority
        self._name = name
        self._opening: asyncio.Task[Client] | None = None
        self._patience = 0.0
        self._telling: set[asyncio.Task[None]] = set()
        self._listening: set[_Listening] = set()
        self._closing = False
        self.loop: asyncio.AbstractEventLoop = reaching.Loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="broker", daemon=True)
        self._thread.start()

    def request(self, subject: str, payload: Payload, timeout: float, watch: str = "") -> Payload:
        """Ask whoever listens on `subject`, and return the reply.

        `timeout` in seconds. Raises NobodyListens (at once) or NoReply.
        `watch`: a subject on which whoever answers listens for as long as it
        lives; when nobody does any more, NoReply comes before its time.
        """
        if name := tracing.request_id():
            payload = {**payload, REQUEST_ID: name}
        crowd.step_aside()
        asking = self._request(subject, payload, timeout)
        return self.run(self._watched(asking, watch) if watch else asking)

    def publish(self, subject: str, payload: Payload) -> None:
        """Tell all who listen, without waiting. Lost without a word when NATS is away: news, not orders."""
        self.loop.call_soon_threadsafe(self._tell, subject, payload)

    def _tell(self, subject: str, payload: Payload) -> None:
        task = self.loop.create_task(self._publish_or_not(subject, payload))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _publish_or_not(self, subject: str, payload: Payload) -> None:
        try:
            await self.publish_async(subject, payload)
        except NobodyListens:
            log.debug("not published on %s: NATS is away", subject)

    async def publish_async(self, subject: str, payload: Payload) -> None:
        """As `publish`, from the broker's own loop. Raises NobodyListens when NATS is away."""
        client = await self.client()
        try:
            await client.publish(subject, json.dumps(payload).encode())
        except NatsError as error:
            raise NobodyListens(str(error)) from error

    async def subscribe(self, subject: str, handler: Handler) -> Callable[[], Awaitable[None]]:
        """Call `handler(subject, payload)` for each message, each as a task of its own.

        What the handler returns, unless None, is the reply. The subscription
        survives a reconnect; awaiting the returned function ends it.
        Raises NobodyListens when NATS is away, or goes away meanwhile: nothing is subscribed then.
        """
        client = await self.client()
        tasks: set[asyncio.Task[None]] = set()

        async def answer(message: Msg) -> None:
            try:
                payload = json.loads(message.data)
                tracing.go_on(payload.pop(REQUEST_ID, ""))
                reply = await handler(message.subject, payload)
            except Exception:
                # No reply: the caller's own time limit speaks, which is true.
                log.exception("a handler of %s failed", message.subject)
                return
            if reply is not None and message.reply:
                await message.respond(json.dumps(reply).encode())

        async def start(message: Msg) -> None:
            # nats-py awaits one callback after the other; a slow command must
            # not hold up the next.
            task = asyncio.create_task(answer(message))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        try:
            subscription = await client.subscribe(subject, cb=start)
        except NatsError as error:
            raise NobodyListens(str(error)) from error

        listening = _Listening(subject, start, subscription)
        self._listening.add(listening)

        async def end() -> None:
            self._listening.discard(listening)
            try:
                await listening.subscription.unsubscribe()
            except NatsError:
                log.debug("already gone: the subscription of %s", subject)

        try:
            await _answer(client)
        except NobodyListens:
            # Else the client would subscribe it once it is back, beside the caller's next try.
            await end()
            raise
        return end

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine on the broker's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def run_for_life(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a process's whole work on the broker's loop; the main thread stays free to hear signals."""
        running = asyncio.run_coroutine_threadsafe(work, self.loop)
        while True:
            try:
                # Not for ever at once: a signal is heard between two waits.
                return running.result(timeout=0.5)
            except TimeoutError:
                if running.done():
                    raise

    def close(self) -> None:
        """Close the connection and end the thread."""
        self.run(self._close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=5)

    async def _close(self) -> None:
        self._closing = True
        if self._opening is None:
            return
        if self._opening.done() and self._opening.exception() is None:
            await self._opening.result().close()
        self._opening.cancel()

    async def client(self) -> Client:
        """The open connection. Raises NobodyListens when there is none."""
        if not self._url:
            raise NobodyListens("NATS_URL is not set: is the portal running?")
        if self._opening is None:
            # nats-py tries for ever, which is what we want, but not while a
            # caller waits.
            self._opening = asyncio.create_task(self._open())
            self._patience = self.loop.time() + CONNECT_SECONDS
        # It tells us so, but not always: where the goodbye itself fails, it does not.
        self._begin_anew()
        if not self._opening.done():
            await asyncio.wait({self._opening}, timeout=max(0, self._patience - self.loop.time()))
        if not self._opening.done():
            raise NobodyListens("NATS cannot be reached")
        if self._opening.cancelled() or self._opening.exception() is not None:
            error, self._opening = self._opening, None
            raise NobodyListens(f"NATS refused us: {error.exception()}")
        return self._opening.result()

    async def reach(self) -> None:
        """Return once NATS has answered just now. Raises NobodyListens; a client stays while its server is away."""
        client = await self.client()
        if not client.is_connected:
            raise NobodyListens("NATS is away")
        await _answer(client)

    async def _open(self, pause: float = 0) -> Client:
        await asyncio.sleep(pause)
        client = reaching.Client()
        await client.connect(
            **reaching.options(self._url, self._authority),
            name=self._name,
            connect_timeout=2,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_SECONDS,
            # 0: publishing while disconnected raises instead of queueing.
            pending_size=0,
            error_cb=_log_error,
            closed_cb=self._on_closed,
        )
        for listening in list(self._listening):
            if listening in self._listening:
                listening.subscription = await client.subscribe(listening.subject, cb=listening.hear)
            if listening not in self._listening:
                # Ended meanwhile: nobody would answer there, and callers would wait for an answer.
                await listening.subscription.unsubscribe()
        return client

    async def _on_closed(self) -> None:
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Whom a server throws out (it knows our password no more, say) nats-py gives up.

        For good, with all that it listened to; and it may be known again in a minute.
        """
        if self._closing or self._opening is None or not self._opening.done():
            return
        if not self._opening.cancelled() and self._opening.exception() is None and self._opening.result().is_closed:
            log.error("NATS has thrown us out, and is tried anew")
            self._opening = asyncio.create_task(self._open(RECONNECT_SECONDS))

    async def _watched(self, asking: Coroutine[Any, Any, Payload], watch: str) -> Payload:
        task = self.loop.create_task(asking)
        while not (await asyncio.wait({task}, timeout=WATCH_SECONDS))[0]:
            try:
                await self._request(watch, {}, WATCH_SECONDS)
            except NobodyListens as error:
                # A reply may have crossed with our question.
                if not (await asyncio.wait({task}, timeout=REPLY_SECONDS))[0]:
                    task.cancel()
                    raise NoReply("whoever took the request is gone") from error
            except NoReply:
                continue
        return task.result()

    async def _request(self, subject: str, payload: Payload, timeout: float) -> Payload:
        client = await self.client()
        try:
            reply = await client.request(subject, json.dumps(payload).encode(), timeout=timeout)
        except NoRespondersError as error:
            raise NobodyListens(f"nobody listens on {subject}") from error
        except NatsTimeout as error:
            raise NoReply(f"no reply on {subject}") from error
        except NatsError as error:
            raise NobodyListens(str(error)) from error
        decoded: Payload = json.loads(reply.data)
        return decoded


async def _answer(client: Client) -> None:
    """Wait until the server has read what was sent. Raises NobodyListens when it takes too long."""
    # Not by flush's own time limit: an answer that comes after it ends the
    # client's reading for good (nats-py 2.16), and the process hears nothing more.
    asking = asyncio.create_task(client.flush(PATIENCE_SECONDS))
    asking.add_done_callback(lambda done: done.cancelled() or done.exception())
    if not (await asyncio.wait({asking}, timeout=PONG_SECONDS))[0]:
        if client.is_closed:
            asking.cancel()  # No answer comes any more.
        raise NobodyListens("NATS does not answer")
    if error := asking.exception():
        raise NobodyListens(f"NATS does not answer: {error}") from error


async def _log_error(error: Exception) -> None:
    # Each try to reconnect fails with one of these: worth knowing, not alarming.
    log.debug("NATS: %s", error or type(error).__name__)


_lock = threading.Lock()
_broker: Broker | None = None


def broker() -> Broker:
    """This process's broker."""
    from django.conf import settings

    global _broker
    with _lock:
        if _broker is None:
            _broker = Broker(settings.NATS_URL, settings.PROCESS_NAME, settings.NATS_CA)
        return _broker
