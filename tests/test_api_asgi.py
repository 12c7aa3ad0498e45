"""Bodies that are too long, before Django's ASGI handler spools them to disk."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from django.core import signals
from django.core.asgi import get_asgi_application
from django.db import close_old_connections

from portal.rest.asgi import Event, LimitBodies
from tests.base import ApiTestCase

LIMIT = 1024 * 1024
CHUNK = b" " * 65_536


class Client:
    """Sends a body in chunks for as long as it is read, and keeps the answer."""

    def __init__(self, chunks: int, *headers: tuple[bytes, bytes], path: str = "/api/chat/pinMessage/shop") -> None:
        self.left = chunks
        self.read = 0
        self.events: list[Event] = []
        self.answered = asyncio.Event()
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": [(b"host", b"localhost"), *headers],
            "client": ("192.0.2.1", 4711),
        }

    async def receive(self) -> Event:
        if self.left == 0:
            await self.answered.wait()
            return {"type": "http.disconnect"}
        self.left -= 1
        self.read += 1
        await asyncio.sleep(0)
        return {"type": "http.request", "body": CHUNK, "more_body": self.left > 0}

    async def send(self, event: Event) -> None:
        self.events.append(event)
        if event["type"] == "http.response.body" and not event.get("more_body"):
            self.answered.set()

    async def call(self, app: Callable[..., Awaitable[None]]) -> tuple[int, Any]:
        async with asyncio.timeout(10):
            await app(self.scope, self.receive, self.send)
        return self.events[0]["status"], json.loads(b"".join(event.get("body", b"") for event in self.events))


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """An application that reads as Django does: to the end, then for the disconnection."""
    length = 0
    while True:
        event = await receive()
        length += len(event["body"])
        if not event["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(length).encode()})
    assert (await receive())["type"] == "http.disconnect"


class LongBodies(ApiTestCase):
    app = LimitBodies(echo, LIMIT)

    def setUp(self) -> None:
        super().setUp()
        # Django's real handler gives the connection back after each request,
        # and the test's transaction with it.
        for signal in (signals.request_started, signals.request_finished):
            signal.disconnect(close_old_connections)
            self.addCleanup(signal.connect, close_old_connections)

    async def test_what_is_not_too_long_passes(self) -> None:
        assert await Client(16).call(self.app) == (200, LIMIT)

    async def test_what_is_too_long_ends(self) -> None:
        assert await Client(10_000).call(self.app) == (200, LIMIT + len(CHUNK))

    async def test_what_says_so_is_not_read_at_all(self) -> None:
        client = Client(0, (b"content-length", b"999999999"))
        assert await client.call(self.app) == (200, 0)
        assert client.read == 0

    async def test_of_every_path(self) -> None:
        """The stream of news is Django's ASGI handler's as well, and asks for no token before it reads."""
        assert await Client(10_000, path="/live/").call(self.app) == (200, LIMIT + len(CHUNK))

    async def test_django_answers_in_words(self) -> None:
        app = LimitBodies(get_asgi_application(), LIMIT)
        token = (b"token", self.alice.encode())
        for client in (Client(100, token), Client(0, token, (b"content-length", b"999999999"))):
            status, answer = await client.call(app)
            assert (status, answer["error"]["message"]) == (400, "Invalid request body: it is larger than 1 MiB")

    async def test_the_order_stays(self) -> None:
        app = LimitBodies(get_asgi_application(), LIMIT)
        assert (await Client(100).call(app))[0] == 401
