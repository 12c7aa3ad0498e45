"""Live news for browsers: one NATS subscription a web process, fanned out to those who may see.

News hold keys alone (see `chats.news`); a page that hears of something fetches
the fragment with its own rights. The last news are kept, for a page that was
read before they came and whose stream begins after; who missed more asks, on
"resync", for everything it shows again.
"""

import asyncio
import json
import resource
import time
from collections import deque
from collections.abc import AsyncIterator, Container
from dataclasses import dataclass, field, replace
from typing import Any

from nats.aio.client import Client

from portal.broker import NobodyListens, broker

# A browser that is this far behind is told to fetch everything anew.
QUEUE = 200
RESYNC = "resync"
KEPT = 1000
RETRY_SECONDS = 0.5
WATCH_SECONDS = 2.0
# What a web process holds open: a person's streams (a browser has one for all its tabs), a token's WebSockets, and
# all together half of the files that the process may have: each is one, and lasts for hours.
A_PERSON, A_TOKEN = 20, 50
MOST = max(resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2, 100)
FULL = "{} connections for news are open already, as many as one may have: close some of them"
CROWDED = "Too many connections for news are open: try again in a minute"
RETRY_AFTER = "60"


class TooMany(Exception):
    """No more of these may be open just now. `status` is HTTP's; `str()` is for people."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class News:
    """One thing that happened to an instance (`uid` in hex, empty: to all)."""

    uid: str
    topic: str
    payload: dict[str, Any]
    # What the WebSocket tells of it (`portal.websocket`); not for browsers.
    events: tuple[str, ...] = ()

    def encode(self) -> str:
        """As an event of a text/event-stream."""
        return f"event: {self.topic}\ndata: {json.dumps({**self.payload, 'instance': self.uid})}\n\n"


@dataclass(eq=False, slots=True)
class Listener:
    """One browser's stream, on the web server's own event loop."""

    loop: asyncio.AbstractEventLoop
    visible: Container[str] = frozenset()
    queue: asyncio.Queue[News | None] = field(default_factory=lambda: asyncio.Queue(QUEUE))
    behind: bool = False
    # The person or token it counts for; empty: nobody.
    whose: str = ""

    def offer(self, news: News | None) -> None:
        """Take one piece of news, if it is for this reader. On the stream's loop."""
        if news is not None and news.uid and news.uid not in self.visible:
            return
        try:
            self.queue.put_nowait(news)
        except asyncio.QueueFull:
            self.behind = True

    async def next(self, timeout: float) -> News | None:
        """The next news. None: the portal stops. Raises TimeoutError."""
        if self.behind:
            self.behind = False
            while not self.queue.empty():
                self.queue.get_nowait()
            return News("", RESYNC, {})
        # Not `wait_for`: in Python 3.11 that forgets a cancellation that comes together with a result
        # (https://github.com/python/cpython/issues/86296), and the stream of a browser that left would never end.
        async with asyncio.timeout(timeout):
            return await self.queue.get()


class Hub:
    """All streams of this process."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._started = False
        self._closed = False
        self._recent: deque[tuple[float, News]] = deque(maxlen=KEPT)
        self._since = float("inf")  # From when on all news are among the recent ones; monotonic.
        # NATS is known to be away: no news come, and nobody should believe that nothing happens.
        self.away = False

    def check(self, whose: str, most: int) -> None:
        """Raise TooMany when one more is more than somebody, or this process, may have."""
        if sum(listener.whose == whose for listener in self._listeners) >= most:
            raise TooMany(429, FULL.format(most))
        if len(self._listeners) >= MOST:
            raise TooMany(503, CROWDED)

    def join(self, listener: Listener) -> None:
        """From now on the listener is offered news."""
        self._listeners.add(listener)
        if self._closed or self.away:
            listener.offer(None)
        if not self._started:
            self._started = True
            asyncio.run_coroutine_threadsafe(self._listen(), broker().loop)

    def leave(self, listener: Listener) -> None:
        """The stream is over."""
        self._listeners.discard(listener)

    @property
    def listening(self) -> bool:
        """Whether nothing that is told from now on is missed."""
        return self._since < float("inf")

    def told(self, seconds: float) -> list[News]:
        """What was told in the last so many seconds; a call to fetch everything when that is not known any more."""
        then = time.monotonic() - seconds
        recent = list(self._recent)
        known = max(self._since, recent[0][0]) if len(recent) == KEPT else self._since
        if then < known:
            return [News("", RESYNC, {})]
        return [news for at, news in recent if at >= then]

    def close(self) -> None:
        """End all streams: else a web server that stops waits for them. Callable from any thread."""
        self._closed = True
        self._tell(None)

    def _tell(self, news: News | None) -> None:
        for listener in list(self._listeners):
            try:
                listener.loop.call_soon_threadsafe(listener.offer, news)
            except RuntimeError:
                self._listeners.discard(listener)  # Its loop is closed.

    async def _listen(self) -> None:
        """On the broker's loop, for as long as the process lives."""

        async def heard(subject: str, payload: dict[str, Any]) -> None:
            _, uid, topic = subject.split(".", 2)
            # A QR code links a phone: a page that may show one fetches it.
            events = tuple(payload.pop("events", ()))
            news = News(uid, topic, {} if topic == "qr" else payload, events)
            self._recent.append((time.monotonic(), replace(news, events=())))
            self._tell(news)

        while True:
            try:
                await broker().subscribe("news.>", heard)
                break
            except NobodyListens:
                self._is_away()
                await asyncio.sleep(RETRY_SECONDS)
        before = await _connection()
        self._is_back()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            now = await _connection()
            if now is None:
                self._is_away()
            elif self.away or now != before:
                before = now
                self._is_back()

    def _is_away(self) -> None:
        """End the streams: pages then say that they are not live."""
        if not self.away:
            self.away, self._since = True, float("inf")
            self._tell(News("", RESYNC, {}))
            self._tell(None)

    def _is_back(self) -> None:
        """What was told while NATS was away is lost."""
        self._tell(News("", RESYNC, {}))
        self.away, self._since = False, time.monotonic()


hub = Hub()


async def _connection() -> tuple[Client, int] | None:
    """Which connection to NATS there is: another one, and news may have been missed. None: there is none."""
    try:
        client = await broker().client()
    except NobodyListens:
        return None
    return (client, client.stats["reconnects"]) if client.is_connected else None


async def stream(listener: Listener, refresh: Any, beat_seconds: float, ago: float = 0) -> AsyncIterator[str]:
    """The text of one browser's event stream, with what was told in the `ago` seconds before.

    `refresh()` answers with the instances the reader may see now, or None when
    they may see nothing any more; it is asked at the start and at each beat.
    """
    try:
        # Many may have been let in at the same moment.
        hub.check(listener.whose, A_PERSON)
    except TooMany:
        return
    hub.join(listener)
    joined = listener.loop.time()
    try:
        # The browser waits this long (ms) before it connects again by itself.
        yield "retry: 1000\n\n"
        looked: float | None = None
        while True:
            now = listener.loop.time()
            if looked is None or now - looked >= beat_seconds:
                visible = await refresh()
                if visible is None:
                    return
                listener.visible = visible
                yield ": beat\n\n"
                if looked is None:
                    for earlier in hub.told(ago + listener.loop.time() - joined):
                        if not earlier.uid or earlier.uid in visible:
                            yield earlier.encode()
                looked = now
            try:
                news = await listener.next(max(beat_seconds - (now - looked), 0.01))
            except TimeoutError:
                continue
            if news is None:
                return
            yield news.encode()
    finally:
        hub.leave(listener)
