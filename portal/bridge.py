"""The bridge from the web server to the synchronous part: pages and the API, on a pool of threads.

A request changes threads twice, in with its whole body and out with its whole
answer. Each change costs as much as a query: a2wsgi's own bridge, which hands
over every piece by itself, makes five and took a third of a pin's time in the
web process. What streams goes out piece by piece, no faster than it is read,
and ends when its reader has gone. A file holds no thread while its reader takes
the time: sixty readers of a script, none of them signed in, would stop everybody.
An export does, for its rows come over its thread's database connection, and few
run at once (`chats.export.run`). Whoever would have to wait for a thread too
long is refused (`portal.crowd`, `portal.busy`).
"""

import asyncio
import contextvars
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import Any

from a2wsgi.wsgi import build_environ
from django.db import close_old_connections

from portal import crowd
from portal.pool import Pool
from portal.rest.asgi import Receive, Scope, Send

# A file's pieces (bytes, about): each is a change of threads.
PIECE = 256 * 1024


class Gone(Exception):
    """The reader of a stream has closed the connection."""


Wsgi = Callable[..., Iterable[bytes]]


class Bridge:
    """An ASGI application around a WSGI one."""

    def __init__(
        self, app: Wsgi, threads: int, limit: int, *,
        working: int | None = None, busy: Wsgi | None = None, patience: float | None = None,
    ) -> None:  # fmt: skip
        """`threads` at most, of which so many are `working` (None: all) and the others wait for somebody else.

        `busy` answers whoever gets no place within `patience` seconds (None: waits for one); it must not block.
        """
        self._app = app
        self._busy = busy or app
        self._patience = patience
        self._pool = Pool(threads, "web")
        self._crowd = crowd.Crowd(working or threads, threads)
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
        place = await self._crowd.enter(self._patience)
        if place is None:
            content = contextvars.copy_context().run(answer.make, self._busy, environ)
        else:
            try:
                content = await self._on_thread(crowd.at, place, answer.make, self._app, environ)
            finally:
                place.leave()
        if content is not None:
            await send(answer.start)
            await send({"type": "http.response.body", "body": content})
        elif answer.file is not None:
            await self._give(answer, answer.file)

    async def _give(self, answer: "_Answer", file: Any) -> None:
        """Send a file, with a thread for the reading of each piece alone."""
        gone = asyncio.create_task(answer.disconnected())
        pieces = iter(file)
        try:
            await answer.send(answer.start)
            while (piece := await self._on_thread(_gathered, pieces)) and not gone.done():
                await answer.send({"type": "http.response.body", "body": piece, "more_body": True})
            await answer.send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            await self._on_thread(file.close)

    async def _on_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._pool, context.run, work, *arguments)

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
        # What is still to be sent, and closed: a response that is a file.
        self.file: Any = None
        self._receive = receive
        self.send = send

    def make(self, app: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> bytes | None:
        """The content of an answer that is whole; None of one that was streamed, or is a file."""
        response = app(environ, self._start_response)
        if getattr(response, "file_to_stream", None) is not None:
            self.file = response
            # The request ends on whichever thread closes the file, which has another connection.
            close_old_connections()
            return None
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
        # It goes as fast as its reader reads.
        crowd.step_aside()
        # All that may still come in is the end of the connection.
        gone = asyncio.run_coroutine_threadsafe(self.disconnected(), self.loop)
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
            await self.send(event)

        asyncio.run_coroutine_threadsafe(put(), self.loop).result()

    async def disconnected(self) -> None:
        """Return once the caller has gone. Whatever of the body still comes is nobody's."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _gathered(pieces: Iterator[bytes]) -> bytes:
    """About PIECE of what comes; nothing at the end."""
    found = bytearray()
    for piece in pieces:
        found += piece
        if len(found) >= PIECE:
            break
    return bytes(found)
