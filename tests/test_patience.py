"""Slow, silent and endless callers at the web server's protocol, on real sockets."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from unittest import mock

import uvicorn
from django.test import SimpleTestCase, override_settings
from uvicorn.server import ServerState

from portal.patience import HEAD, TAKEN, Patient

# Several times as long as a busy machine lets a process wait for the processor.
PATIENCE = 0.6
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
# No loop of its own: what the reader does not take must not wait in the reader's process instead.
SMALL = 4096


class Echo:
    """Answers with a body's length; `/large` with 4 MiB, `/early` before it has read. Keeps what it saw."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await asyncio.sleep(PATIENCE * 3)
            await send({"type": "websocket.send", "text": "late news"})
            return
        length = 0
        while scope["path"] != "/early":
            event = await receive()
            if event["type"] == "http.disconnect":
                return
            length += len(event["body"])
            if not event["more_body"]:
                break
        # As the bridge does: when the body is whole.
        self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
        body = b"x" * 4 * 2**20 if scope["path"] == "/large" else str(length).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@override_settings(PATIENCE_SECONDS=PATIENCE)
class Patience(SimpleTestCase):
    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Callable[[], Awaitable[Streams]]]:
        """A server; calling what is given connects to it."""
        self.app, self.state = Echo(), ServerState()
        config = uvicorn.Config(self.app, lifespan="off", log_config=None, access_log=False, timeout_keep_alive=3)
        config.load()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: Patient(config=config, server_state=self.state, app_state={}), "127.0.0.1", 0
        )
        port = server.sockets[0].getsockname()[1]
        opened: list[asyncio.StreamWriter] = []

        async def connect() -> Streams:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=SMALL)
            opened.append(writer)
            return reader, writer

        try:
            async with asyncio.timeout(40):
                yield connect
        finally:
            for writer in opened:
                writer.close()
            server.close()
            for left in list(self.state.connections):
                left.transport.abort()

    async def dripped(self, writer: asyncio.StreamWriter, text: bytes, pause: float = PATIENCE / 5) -> None:
        """Say it a byte at a time, until the other side has had enough."""
        try:
            for byte in text:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(pause)
        except OSError:
            pass

    async def answer(self, reader: asyncio.StreamReader) -> bytes:
        """All that comes until the connection ends."""
        found = b""
        try:
            while piece := await reader.read(65_536):
                found += piece
        except ConnectionResetError:
            pass
        return found

    async def test_it_works(self) -> None:
        async with self.serving() as connect:
            reader, writer = await connect()
            for _ in range(2):
                writer.write(GET)
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
                assert await reader.readexactly(1) == b"0"
                # A connection at rest is kept for as long as uvicorn was told.
                await asyncio.sleep(PATIENCE * 2)
            assert await self.answer(reader) == b""

    async def test_a_head_that_drips(self) -> None:
        async with self.serving() as connect:
            reader, writer = await connect()
            drip = asyncio.create_task(self.dripped(writer, GET[:-4] + b"\r\nX-Slow: " + b"x" * 1000))
            found = await self.answer(reader)
            assert found.startswith(b"HTTP/1.1 408 "), found
            assert b"The request came too slowly" in found
            assert re.search(rb"\r\nX-Request-ID: [0-9a-f]{32}\r\n", found)
            await drip

    async def test_the_second_request_as_well(self) -> None:
        async with self.serving() as connect:
            reader, writer = await connect()
            writer.write(GET)
            await reader.readuntil(b"\r\n\r\n0")
            await self.dripped(writer, GET[:3])
            assert b" 408 " in await self.answer(reader)

    async def test_silence(self) -> None:
        async with self.serving() as connect:
            reader, _ = await connect()
            assert await self.answer(reader) == b""

    async def test_empty_lines_are_no_request(self) -> None:
        async with self.serving() as connect:
            reader, writer = await connect()
            writer.write(GET)
            await reader.readuntil(b"\r\n\r\n0")
            drip = asyncio.create_task(self.dripped(writer, b"\r\n" * 500))
            assert await self.answer(reader) == b""
            await drip

    async def test_a_body_that_drips(self) -> None:
        async with self.serving() as connect:
            for head in (b"Content-Length: 1000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"):
                reader, writer = await connect()
                writer.write(POST + head)
                drip = asyncio.create_task(self.dripped(writer, b"1\r\nx\r\n" * 200))
                assert (await self.answer(reader)).startswith(b"HTTP/1.1 408 ")
                await drip
            assert self.app.headers == []

    async def test_a_body_that_takes_its_time_but_comes(self) -> None:
        async with self.serving() as connect:
            reader, writer = await connect()
            writer.write(POST + b"Content-Length: 100000\r\n\r\n")
            for _ in range(10):
                writer.write(b"x" * 10_000)
                await asyncio.sleep(PATIENCE / 3)
            assert (await reader.readuntil(b"100000")).startswith(b"HTTP/1.1 200 ")

    async def test_a_body_that_goes_on_after_the_answer(self) -> None:
        async with self.serving() as connect:
            reader, writer = await connect()
            writer.write(b"POST /early HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200 ")
            sent, piece = 0, b"10000\r\n" + b"x" * 65_536 + b"\r\n"
            with self.assertRaises(OSError):
                while True:
                    writer.write(piece)
                    await writer.drain()
                    sent += len(piece)
                    assert sent < TAKEN * 3

    async def test_an_answered_body_that_ends_leaves_a_connection_at_rest(self) -> None:
        async with self.serving() as connect:
            reader, writer = await connect()
            writer.write(b"POST /early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab")
            await reader.readuntil(b"\r\n\r\n0")
            writer.write(b"cde")
            await asyncio.sleep(PATIENCE * 2)
            writer.write(GET)
            await reader.readuntil(b"\r\n\r\n0")
            assert await self.answer(reader) == b""

    async def test_heads_that_are_too_large(self) -> None:
        async with self.serving() as connect:
            for more in (
                b"X-Large: " + b"x" * HEAD + b"\r\n\r\n",
                b"X-Endless: " + b"x" * 10 * HEAD,
                b"X: y\r\n" * HEAD,
                b"".join(b"X-%d: y\r\n" % number for number in range(HEAD)),
            ):
                reader, writer = await connect()
                writer.write(GET[:-2] + more)
                found = await self.answer(reader)
                # Who goes on talking may not hear the answer.
                assert not found or found.startswith(b"HTTP/1.1 431 "), found[:100]
            reader, writer = await connect()
            writer.write(GET[:-2] + b"X-Large: " + b"x" * (HEAD + 1) + b"\r\n\r\n")
            assert b"larger than 64 KiB" in await self.answer(reader)
            reader, writer = await connect()
            writer.write(b"GET /?" + b"x" * HEAD + GET[5:])
            assert (await self.answer(reader)).startswith(b"HTTP/1.1 431 ")
            reader, writer = await connect()
            writer.write(GET[:-2] + b"X-Fits: " + b"x" * (HEAD - 200) + b"\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200 ")

    async def test_what_is_no_request(self) -> None:
        async with self.serving() as connect:
            for text in (
                b"\x16\x03\x01\x02\x00\x01\x00",
                POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            ):
                reader, writer = await connect()
                writer.write(text)
                found = await self.answer(reader)
                assert found.startswith(b"HTTP/1.1 400 "), found
                assert b'"message": "This is not a valid HTTP request"' in found

    async def test_an_answer_that_nobody_reads(self) -> None:
        async with self.serving() as connect:
            _, writer = await connect()
            writer.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await asyncio.sleep(PATIENCE / 2)
            assert self.state.connections
            while self.state.connections:
                await asyncio.sleep(0.05)

    async def test_an_answer_that_is_read_slowly(self) -> None:
        async with self.serving() as connect:
            reader, writer = await connect()
            writer.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
            left = 4 * 2**20 + len(await reader.readuntil(b"\r\n\r\n")) * 0
            while left:
                left -= len(await reader.read(min(left, 256 * 1024)))
                await asyncio.sleep(PATIENCE / 10)

    async def test_whoever_was_silent_for_longest_goes_first(self) -> None:
        with mock.patch.object(Patient, "most", 5):
            async with self.serving() as connect:
                slow = [await connect() for _ in range(5)]
                reader, writer = await connect()
                writer.write(GET)
                assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200 ")
                async with asyncio.timeout(PATIENCE / 2):
                    assert await slow[0][0].read() == b""
                for reader, writer in slow[2:]:
                    writer.write(GET)
                    await reader.readuntil(b"\r\n\r\n0")

    async def test_headers_that_pass_for_others_and_headers_that_come_too_late(self) -> None:
        async with self.serving() as connect:
            reader, writer = await connect()
            writer.write(
                POST + b"X_Forwarded_For: 192.0.2.1\r\nContent_Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"1\r\nx\r\n0\r\nX-Forwarded-For: 192.0.2.1\r\nToken: late\r\n\r\n"
            )
            await reader.readuntil(b"\r\n\r\n1")
            assert self.app.headers == [{"host": "localhost", "transfer-encoding": "chunked"}]

    async def test_a_websocket_may_be_silent(self) -> None:
        async with self.serving() as connect:
            reader, writer = await connect()
            writer.write(
                b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
            assert await reader.readuntil(b"late news")
