"""The bridge between the web server and the synchronous pages."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.test import SimpleTestCase

from portal import crowd
from portal.bridge import Bridge


class Caller:
    """The server's side of one request."""

    def __init__(self, *pieces: bytes, gone: bool = False, headers: Any = (), path: str = "/") -> None:
        self.pieces = list(pieces) or [b""]
        self.gone = asyncio.Event()
        self.goes_early = gone
        self.sent: list[dict[str, Any]] = []
        self.scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": list(headers),
            "client": ("192.0.2.1", 4711),
        }

    async def receive(self) -> dict[str, Any]:
        if self.pieces:
            piece = self.pieces.pop(0)
            more = bool(self.pieces) or self.goes_early
            return {"type": "http.request", "body": piece, "more_body": more}
        if not self.goes_early:
            await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, event: Any) -> None:
        self.sent.append(event)

    async def call(self, app: Any, limit: int = 1000) -> None:
        async with asyncio.timeout(30):
            await Bridge(app, 2, limit)(self.scope, self.receive, self.send)

    @property
    def content(self) -> bytes:
        return b"".join(event.get("body", b"") for event in self.sent)


def echo(environ: Any, start_response: Any) -> HttpResponse:
    """Answers with the body's declared length and the body."""
    start_response("200 OK", [("X-Name", "value")])
    length = environ["CONTENT_LENGTH"]
    return HttpResponse(length.encode() + b":" + environ["wsgi.input"].read())


class BridgeTests(SimpleTestCase):
    async def test_it_works(self) -> None:
        caller = Caller(b"hello")
        await caller.call(echo)
        self.assertEqual(caller.sent[0]["status"], 200)
        self.assertEqual(caller.sent[0]["headers"], [(b"x-name", b"value")])
        self.assertEqual(caller.content, b"5:hello")
        self.assertEqual(len(caller.sent), 2)

    async def test_a_body_in_chunks_gets_a_length(self) -> None:
        caller = Caller(b"in ", b"three ", b"pieces", headers=[(b"transfer-encoding", b"chunked")])
        await caller.call(echo)
        self.assertEqual(caller.content, b"15:in three pieces")

    async def test_a_declared_length_stands(self) -> None:
        caller = Caller(b"x" * 50, headers=[(b"content-length", b"50")])
        await caller.call(echo, limit=10)
        # Django, which is told of 50, refuses without reading.
        self.assertEqual(caller.content, b"50:" + b"x" * 11)

    async def test_an_endless_body_is_read_to_the_limit_only(self) -> None:
        caller = Caller(*[b"x" * 8] * 100)
        await caller.call(echo, limit=20)
        self.assertEqual(caller.content, b"21:" + b"x" * 21)
        self.assertEqual(len(caller.pieces), 97)

    async def test_a_caller_who_goes_before_the_end_is_not_answered(self) -> None:
        asked: list[Any] = []
        caller = Caller(b"half", gone=True)
        await caller.call(lambda *call: asked.append(call))
        self.assertEqual((asked, caller.sent), ([], []))

    async def test_a_stream_goes_out_piece_by_piece(self) -> None:
        caller = Caller(b"")

        def pieces() -> Iterator[bytes]:
            yield b"one"
            # The first piece has gone out before the second is made.
            assert caller.content == b"one"
            yield b"two"

        def app(environ: Any, start_response: Any) -> StreamingHttpResponse:
            start_response("200 OK", [])
            return StreamingHttpResponse(pieces())

        await caller.call(app)
        self.assertEqual(caller.content, b"onetwo")
        self.assertFalse(caller.sent[-1].get("more_body", False))

    async def test_a_stream_ends_when_its_reader_has_gone(self) -> None:
        caller = Caller(b"")
        ended: list[bool] = []

        def pieces() -> Iterator[bytes]:
            try:
                while True:
                    yield b"more"
            finally:
                ended.append(True)

        def app(environ: Any, start_response: Any) -> StreamingHttpResponse:
            start_response("200 OK", [])
            return StreamingHttpResponse(pieces())

        asyncio.get_running_loop().call_later(0.05, caller.gone.set)
        await caller.call(app)
        self.assertEqual(ended, [True])

    async def test_who_finds_no_place_is_told_so(self) -> None:
        go = threading.Event()

        def works(environ: Any, start_response: Any) -> HttpResponse:
            assert go.wait(30)
            return echo(environ, start_response)

        def waits(environ: Any, start_response: Any) -> HttpResponse:
            crowd.step_aside()
            return works(environ, start_response)

        def app(environ: Any, start_response: Any) -> HttpResponse:
            return (waits if environ["PATH_INFO"] == "/waits" else works)(environ, start_response)

        def busy(environ: Any, start_response: Any) -> HttpResponse:
            start_response("503 Busy", [])
            return HttpResponse("come again")

        bridge = Bridge(app, 4, 1000, working=1, busy=busy, patience=1)
        callers = [Caller(b"1", path=path) for path in ("/waits", "/waits", "/works", "/works")]
        async with asyncio.timeout(30):
            tasks = []
            for caller in callers:
                tasks.append(asyncio.create_task(bridge(caller.scope, caller.receive, caller.send)))
                await asyncio.sleep(0.2)
            await tasks[3]
            self.assertEqual((callers[3].sent[0]["status"], callers[3].content), (503, b"come again"))
            go.set()
            await asyncio.gather(*tasks)
        self.assertEqual([caller.sent[0]["status"] for caller in callers], [200, 200, 200, 503])

    async def test_a_stream_is_no_work(self) -> None:
        """It goes as fast as its reader reads: for hours, if need be."""
        bridge: Bridge

        def pieces() -> Iterator[bytes]:
            other = Caller(b"hello")
            asking = bridge(other.scope, other.receive, other.send)
            asyncio.run_coroutine_threadsafe(asking, loop).result(10)
            yield other.content

        def app(environ: Any, start_response: Any) -> Any:
            if environ["PATH_INFO"] == "/":
                return echo(environ, start_response)
            start_response("200 OK", [])
            return StreamingHttpResponse(pieces())

        loop, caller = asyncio.get_running_loop(), Caller(b"", path="/stream")
        bridge = Bridge(app, 2, 1000, working=1)
        async with asyncio.timeout(30):
            await bridge(caller.scope, caller.receive, caller.send)
        self.assertEqual(caller.content, b"5:hello")

    async def test_a_fault_is_the_servers_to_report(self) -> None:
        def app(environ: Any, start_response: Any) -> HttpResponse:
            raise RuntimeError("broken")

        with self.assertRaisesRegex(RuntimeError, "broken"):
            await Caller(b"").call(app)
