"""A proxy between a client and this server, as an instance may have one: http, https or socks5, with a password."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .server import LoopbackServer

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]
USER, PASSWORD = "shop", "s3cret:/@word"


class Hop:
    """Listens on 127.0.0.1, and passes on to the loopback server alone."""

    def __init__(self, server: LoopbackServer, scheme: str) -> None:
        self.server, self.scheme = server, scheme
        self.passed = self.refused = 0
        self._streams: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> Hop:
        self.port = self.server.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self.server.run(self._stop())

    async def _start(self) -> int:
        tls: ssl.SSLContext | None = self.server.core.tls if self.scheme == "https" else None
        serve = self._socks if self.scheme == "socks5" else self._connect
        self._listener = await asyncio.start_server(self._guarded(serve), "127.0.0.1", 0, ssl=tls)
        return int(self._listener.sockets[0].getsockname()[1])

    async def _stop(self) -> None:
        self._listener.close()
        for writer in self._streams:
            writer.close()

    def _guarded(self, serve: Serve) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._streams.add(writer)
            try:
                if not await serve(reader, writer):
                    self.refused += 1
            except (OSError, EOFError):
                pass  # The client, or the server behind us, hung up.
            finally:
                writer.close()

        return handle

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if f"proxy-authorization: basic {wanted}".lower() not in head.lower():
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return False
        await self._relay(reader, writer, head.encode())
        return True

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """RFC 1928 and 1929."""
        _, count = await reader.readexactly(2)
        if 2 not in await reader.readexactly(count):
            writer.write(b"\x05\xff")
            return False
        writer.write(b"\x05\x02")
        _, length = await reader.readexactly(2)
        user = await reader.readexactly(length)
        password = await reader.readexactly((await reader.readexactly(1))[0])
        if (user.decode(), password.decode()) != (USER, PASSWORD):
            writer.write(b"\x01\x01")
            return False
        writer.write(b"\x01\x00")
        *_, kind = await reader.readexactly(4)
        size = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
        await reader.readexactly(size + 2)
        writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        # What comes next is a CONNECT: the client was told of this server by its environment.
        await self._relay(reader, writer, b"")
        return True

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes) -> None:
        self.passed += 1
        there, onward = await asyncio.open_connection("127.0.0.1", self.server.port)
        self._streams.add(onward)
        onward.write(first)
        await asyncio.wait(
            [asyncio.ensure_future(_copy(reader, onward)), asyncio.ensure_future(_copy(there, writer))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        onward.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    except OSError:
        pass
