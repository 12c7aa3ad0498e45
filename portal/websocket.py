"""`WS /ws/:instance`: an instance's events as they happen, for whoever holds a token that may read.

The same admission as for the API: token, scope, instance, rate limit. A
handshake that is refused is answered in HTTP, in the API's envelope. What a
reader misses is not kept for them: a webhook is for that.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.utils import timezone

from chats import events as told
from chats.models import Message
from instances.events.kinds import KINDS
from instances.models import Instance, Token
from portal.aside import aside
from portal.live import A_TOKEN, RESYNC, RETRY_AFTER, Listener, News, TooMany, hub
from portal.rest import call
from portal.rest.asgi import Receive, Scope, Send
from portal.rest.errors import SENTENCES, UNEXPECTED, ApiError, envelope, suspicious
from portal.rest.views import READING, UNNAMED, check_scope, opened_by
from portal.tracing import HEADER, named, on_behalf_of

PREFIX = "/ws/"
# Browsers can send no header: they offer this and `token.<secret>` as protocols.
PROTOCOL, TOKEN_PROTOCOL = "portal.events", "token."
FIRST_MESSAGE_SECONDS = 10.0
# How long a token that was revoked keeps reading.
BEAT_SECONDS = 5.0
READY_SECONDS = 5.0
CLOSE_SECONDS = 2.0
# WebSocket's own codes, and 4000 + the status of HTTP for ours.
GOING_AWAY, TRY_AGAIN, OURS = 1001, 1013, 4000
NOT_OUR_PAGE = "This page may not connect: add its origin to CORS_ALLOWED_ORIGINS"
NO_EVENTS = "Events cannot be had just now: NATS is not there. Try again in a moment."
TOO_SLOW = "You read too slowly: connect again, and read what you missed over the API"
MISSED = "Events may have been missed: connect again, and read what you missed over the API"


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a connection is closed."""

    code: int
    reason: str


@dataclass(eq=False, slots=True)
class Reader(Listener):
    """A listener who must not miss anything without being told."""

    missed: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, news: News | None) -> None:
        """As any listener; one that is too slow is let go."""
        Listener.offer(self, news)
        if self.behind:
            self.missed.set()


async def websocket(scope: Scope, receive: Receive, send: Send) -> None:
    """The application for every WebSocket there is."""
    await receive()  # "websocket.connect"
    connection = Connection(scope, receive, send)
    with on_behalf_of(connection.name):
        try:
            ending = await connection.serve()
        except ApiError as error:
            await connection.refuse(error)
        except SuspiciousOperation as error:
            await connection.refuse(suspicious(error))
        except Exception:
            await connection.refuse(ApiError(500, UNEXPECTED))
            raise
        else:
            if ending is not None:
                await connection.close(ending)


class Connection:
    """One client, from its handshake on."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._accepted = False
        given = dict(scope.get("headers", ())).get(HEADER.lower().encode(), b"")
        self.name = named(given.decode("latin-1"))
        # What every answer to the handshake bears: its name, and the rate limit as soon as that is known.
        self._headers = {HEADER: self.name}
        self._token: Token
        self._instance: Instance
        self._kinds = frozenset(KINDS)

    async def serve(self) -> Ending | None:
        """Everything, up to why it ends; None when the client has gone. Raises ApiError."""
        if not self._scope["path"].startswith(PREFIX):
            raise ApiError(404, SENTENCES[404])
        name = self._scope["path"].removeprefix(PREFIX)
        if not name.strip():
            raise ApiError(400, UNNAMED)
        secret = self._secret()
        request = self._request(secret)
        self._check_origin(request)
        self._kinds = _chosen(request.GET.get("events", ""))
        if not secret:
            # Counted by address, and answered when the first message has named a token.
            (await aside(self._begin, request)).check()
            await self._accept()
            secret = await self._first_message()
            request = self._request(secret)
        await aside(self._admit, request, name)
        whose = f"token {self._token.pk}"
        reader = Reader(asyncio.get_running_loop(), frozenset({self._instance.uid.hex}), whose=whose)
        try:
            hub.check(whose, A_TOKEN)
        except TooMany as error:
            raise ApiError(error.status, str(error), {"Retry-After": RETRY_AFTER}) from None
        hub.join(reader)
        try:
            await _listening(reader)
            await self._accept()
            return await self._tell(reader)
        finally:
            hub.leave(reader)

    # --- Who it is ----------------------------------------------------------

    def _secret(self) -> str:
        """Where only a WebSocket may carry a token; headers go as in the API."""
        request = self._request("")
        offered = [one for one in self._scope.get("subprotocols", []) if one.startswith(TOKEN_PROTOCOL)]
        if offered:
            return str(offered[0].removeprefix(TOKEN_PROTOCOL))
        return request.headers.get("token") or request.headers.get("Authorization") or request.GET.get("token", "")

    def _request(self, secret: str) -> ASGIRequest:
        """The handshake as an HTTP request, for all that knows how to look at one."""
        headers = list(self._scope["headers"])
        if secret and not any(name in (b"token", b"authorization") for name, _ in headers):
            # A secret with half a surrogate pair, which JSON can say, is as wrong as any other.
            headers.append((b"token", secret.encode(errors="surrogatepass")))
        return ASGIRequest({**self._scope, "type": "http", "method": "GET", "headers": headers}, BytesIO())

    def _check_origin(self, request: ASGIRequest) -> None:
        """Only pages that may call the API may connect. Programs send no Origin."""
        host = request.get_host()
        origin = request.headers.get("Origin")
        if origin is None or settings.CORS_ALLOW_ALL_ORIGINS or origin in settings.CORS_ALLOWED_ORIGINS:
            return
        try:
            ours = urlsplit(origin).netloc == host
        except ValueError:
            ours = False
        if not ours:
            raise ApiError(403, NOT_OUR_PAGE)

    def _begin(self, request: ASGIRequest) -> call.Call:
        begun = call.begin(request)
        self._headers.update(begun.usage.headers())
        return begun

    def _admit(self, request: ASGIRequest, name: str) -> None:
        token = self._begin(request).authenticated()
        check_scope(token, READING)
        self._token, self._instance = token, opened_by(token, name)

    async def _first_message(self) -> str:
        with suppress(TimeoutError, ValueError, AttributeError, KeyError, TypeError, RecursionError):
            async with asyncio.timeout(FIRST_MESSAGE_SECONDS):
                event = await self._receive()
            secret = json.loads(event["text"])["token"]
            if isinstance(secret, str):
                return secret
        raise ApiError(401, call.MISSING)

    # --- What it hears --------------------------------------------------------

    async def _tell(self, reader: Reader) -> Ending | None:
        """Send events until one of several reasons ends it."""
        work = [self._sending(reader), self._reading(), self._watching(), self._missing(reader)]
        tasks = [asyncio.create_task(one) for one in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _sending(self, reader: Reader) -> Ending | None:
        while True:
            news = await reader.queue.get()
            if news is None:
                return Ending(GOING_AWAY, "The portal stops: connect again in a moment")
            if news.topic == RESYNC:
                return Ending(TRY_AGAIN, MISSED)
            for body in await self._bodies(news):
                await self._send({"type": "websocket.send", "text": body})

    async def _bodies(self, news: News) -> list[str]:
        """The events in a piece of news; those of messages are read from the database."""
        bodies = list(news.events)
        if news.payload.get("live") and news.payload.get("messages"):
            # A connector of before does not say.
            at = datetime.fromisoformat(news.payload.get("at") or timezone.now().isoformat())
            bodies += await aside(lambda: list(_messages(news.payload["messages"], at)))
        return [body for body in bodies if _kind(body) in self._kinds]

    async def _reading(self) -> None:
        """Whatever the client says is not for us; that it has gone is."""
        while (await self._receive())["type"] != "websocket.disconnect":
            pass

    async def _watching(self) -> Ending:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            if not await aside(self._still_admitted):
                return Ending(OURS + 401, call.INVALID)

    def _still_admitted(self) -> bool:
        token = Token.objects.filter(pk=self._token.pk).first()
        return bool(token and token.usable and Instance.objects.filter(pk=self._instance.pk).exists())

    async def _missing(self, reader: Reader) -> Ending:
        await reader.missed.wait()
        return Ending(TRY_AGAIN, TOO_SLOW)

    # --- The protocol ---------------------------------------------------------

    async def _accept(self) -> None:
        if not self._accepted:
            self._accepted = True
            chosen = PROTOCOL if PROTOCOL in self._scope.get("subprotocols", []) else None
            await self._send({"type": "websocket.accept", "subprotocol": chosen, "headers": _raw(self._headers)})

    async def close(self, ending: Ending) -> None:
        """Say why; a client that reads nothing is not waited for."""
        closing = {"type": "websocket.close", "code": ending.code, "reason": ending.reason}
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._send(closing)

    async def refuse(self, error: ApiError) -> None:
        """Answer in HTTP while that is possible, else close."""
        if self._accepted or "websocket.http.response" not in (self._scope.get("extensions") or {}):
            await self.close(Ending(OURS + error.status, str(error)))
            return
        headers = {"Content-Type": "application/json", "Cache-Control": "no-store", **self._headers, **error.headers}
        start = {"type": "websocket.http.response.start", "status": error.status, "headers": _raw(headers)}
        await self._send(start)
        body = json.dumps(envelope(str(error))).encode()
        await self._send({"type": "websocket.http.response.body", "body": body})


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


async def _listening(reader: Reader) -> None:
    """Return once nothing that happens from now on can be missed. Raises ApiError."""
    limit = reader.loop.time() + READY_SECONDS
    while not hub.listening:
        if reader.loop.time() > limit:
            raise ApiError(503, NO_EVENTS)
        await asyncio.sleep(0.02)
    await asyncio.sleep(0)
    while not reader.queue.empty():  # What was told before the client could hear.
        reader.queue.get_nowait()


def _messages(keys: list[int], at: datetime) -> Iterator[str]:
    for message in Message.objects.select_related("chat", "instance").filter(pk__in=keys).order_by("pk"):
        event = told.of_message(message, at)
        if event is not None:
            yield event.body


def _chosen(text: str) -> frozenset[str]:
    wanted = {one.strip() for one in text.split(",")} - {""}
    if wanted - set(KINDS):
        raise ApiError(400, f"Invalid parameter: events must be some of {', '.join(KINDS)}")
    return frozenset(wanted or KINDS)


def _kind(body: str) -> str:
    found: dict[str, str] = json.loads(body)
    return found["event"]


__all__ = ["websocket"]
