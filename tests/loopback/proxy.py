"""The way in: a CONNECT proxy on 127.0.0.1 behind which WhatsApp's two hosts, chat and media, are this server.

A client finds it by ``https_proxy`` and believes it by ``SSL_CERT_FILE``. Any other host is refused and noted: nothing
a test starts may reach the real network.
"""

from __future__ import annotations

import asyncio
import logging
from enum import Enum

from .certs import HOST
from .connection import Connection
from .core import Core
from .media import HOST as MEDIA_HOST
from .websocket import NotAWebSocket, accept, read_request

log = logging.getLogger(__name__)


class Network(Enum):
    """What a client meets that dials WhatsApp."""

    UP = "up"
    DOWN = "down"  # the proxy hangs up: no route to WhatsApp
    UNAVAILABLE = "unavailable"  # WhatsApp answers 503 to the WebSocket request


class Proxy:
    def __init__(self, core: Core) -> None:
        self.core = core
        self.network = Network.UP
        self.connections: set[Connection] = set()
        self.refused_hosts: list[str] = []
        self.dials = 0
        self._server: asyncio.Server | None = None

    async def start(self, host: str) -> int:
        """Listen on a free port and return it."""
        self._server = await asyncio.start_server(self._serve, host, 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        for connection in list(self.connections):
            connection.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            host = await self._tunnel(reader, writer)
            if host == HOST:
                await self._websocket(reader, writer)
            elif host == MEDIA_HOST:
                await self.core.media.serve(reader, writer)
        except (OSError, EOFError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, NotAWebSocket) as error:
            log.debug("a dial ended: %r", error)
        finally:
            writer.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        """The host the client now talks to in TLS; empty when it is refused."""
        line, _ = await read_request(reader)
        method, target, _ = line.split(" ", 2)
        host, _, port = target.partition(":")
        if method != "CONNECT" or port != "443" or host not in (HOST, MEDIA_HOST):
            self.refused_hosts.append(target)
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return ""
        self.dials += host == HOST
        if self.network is Network.DOWN:
            return ""
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.start_tls(self.core.tls)
        return host

    async def _websocket(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, headers = await read_request(reader)
        if self.network is Network.UNAVAILABLE:
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        if not line.startswith("GET /ws/chat "):
            raise NotAWebSocket
        writer.write(accept(headers))
        connection = Connection(self.core, reader, writer)
        self.connections.add(connection)
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)
