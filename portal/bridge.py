"""The bridge from the web server to the synchronous part: pages and the API, on a pool of threads.

A request changes threads twice, in with its whole body and out with its whole
answer. Each change costs as much as a query: a2wsgi's own bridge, which hands
over every piece by itself, makes five and took a third of a pin's time in the
web process. What streams (an export, a file) goes out piece by piece, no faster
than it is read, and ends when its reader has gone.
"""

import asyncio
import contextvars
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

from a2wsgi.wsgi import build_environ

from portal.rest.asgi import Receive, Scope, Send


class Gone(Exception):
    """The reader of a stream has closed the connection."""


class Bridge:
    """An ASGI application around a WSGI one."""

    def __init__(self, app: Callable[..., Iterable[bytes]], threads: int, limit: int) -> None:
        self._app = app
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="web")
        # Bytes of a body; one more is passed on, by which Django sees that it is too long.
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. A caller that goes away before its body's end gets none."""
        body = await self._gather(receive)
        if body is None:
            return
        environ: dict[str, Any] = dict(build_environ(scope, BytesIO(body)))  # type: ignore[arg-type]
        # Django takes a request without a length (it came in chunks) for one without a body.
        environ.setdefault("CONTENT_LENGTH", str(len(body)))
        answer = _Answer(asyncio.get_running_loop(), receive, send)
        context = contextvars.copy_context()
        content = await answer.loop.run_in_executor(self._pool, context.run, answer.make, self._app, environ)
        if content is not None:
            await send(answer.start)
            await send({"type": "http.response.body", "body": content})

    async def _gather(self, receive: Receive) -> bytes | None:
        body = bytearray()
        while len(body) <= self._limit:
            event = await receive()
            if event["type"] == "http.disconnect":
                return None
            body += event.get("body", b"")
            if not event.get("more_body", False):
                break
        return bytes(body[: self._limit + 1])


class _Answer:
    """One request's answer, made on a thread of the pool."""

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Receive, send: Send) -> None:
        self.loop = loop
        self.start: dict[str, Any] = {}
        self._receive = receive
        self._send = send

    def make(self, app: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> bytes | None:
        """The content of an answer that is whole; None of one that was streamed."""
        response = app(environ, self._start_response)
        try:
            if not getattr(response, "streaming", False):
                return b"".join(response)
            self._stream(response)
            return None
        finally:
            # Also ends the request for Django, on the thread that has its database connection.
            response.close()  # type: ignore[attr-defined]

    def _start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        self.start = {
            "type": "http.response.start",
            "status": int(status[:3]),
            "headers": [(name.lower().encode("latin1"), value.encode("latin1")) for name, value in headers],
        }

    def _stream(self, response: Iterable[bytes]) -> None:
        # All that may still come in is the end of the connection.
        gone = asyncio.run_coroutine_threadsafe(self._disconnected(), self.loop)
        try:
            self._put(self.start)
            for piece in response:
                if gone.done():
                    raise Gone
                self._put({"type": "http.response.body", "body": piece, "more_body": True})
            self._put({"type": "http.response.body", "body": b""})
        except Gone:
            pass  # The response is closed, and with it whatever it was made from.
        finally:
            gone.cancel()

    def _put(self, event: dict[str, Any]) -> None:
        """Send, and wait until the server has taken it."""

        async def put() -> None:
            await self._send(event)

        asyncio.run_coroutine_threadsafe(put(), self.loop).result()

    async def _disconnected(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
