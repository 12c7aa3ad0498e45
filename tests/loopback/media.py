"""WhatsApp's media store: encrypted files, taken in and given out over HTTPS.

The sender's client asks where to (``media_conn``), encrypts, and posts to ``/mms/<kind>/<token>``; the receiver's gets
the direct path from the message and fetches it (whatsmeow mediaconn.go, upload.go, download.go). The server can read
nothing of it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from .connection import Connection
from .iq import handles
from .node import Node, node
from .websocket import read_request

if TYPE_CHECKING:
    from .core import Core

HOST = "mmg.whatsapp.net"
_ORIGIN = "https://web.whatsapp.com"
_LONGEST = 64 * 1024 * 1024


@dataclass
class Blob:
    """One encrypted file. ``status`` other than 200: it is answered with that and no more."""

    content: bytes
    kind: str
    status: int = 200
    seconds: float = 0


class MediaStore:
    def __init__(self) -> None:
        self.auth = base64.urlsafe_b64encode(os.urandom(24)).decode()
        self.blobs: dict[str, Blob] = {}  # by direct path, without what follows the "?"
        self.fetched: list[str] = []

    # -- what a test does

    def only(self, direct_path: str) -> Blob:
        """The file behind a message's direct path."""
        return self.blobs[direct_path.partition("?")[0]]

    # -- HTTP

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The requests of one connection, until the client closes it."""
        while True:
            line, headers = await read_request(reader)
            method, target, _ = line.split(" ", 2)
            length = int(headers.get("content-length", "0"))
            body = await reader.readexactly(length) if length <= _LONGEST else b""
            status, answer = 400, b""
            if headers.get("origin") == _ORIGIN and length <= _LONGEST:
                status, answer = await self._answer(method, target, body)
            writer.write(f"HTTP/1.1 {status} -\r\nContent-Length: {len(answer)}\r\n\r\n".encode() + answer)
            await writer.drain()

    async def _answer(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        address = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        if method == "POST":
            return self._take(address.path, query, body)
        if method == "GET":
            return await self._give(address.path, query)
        return 405, b""

    def _take(self, path: str, query: dict[str, str], body: bytes) -> tuple[int, bytes]:
        _, mms, kind, token = path.split("/", 3)
        if query.get("auth") != self.auth:
            return 401, b""
        if mms != "mms" or token != _token(body) or query.get("token") != token:
            return 400, b""
        direct = f"/v/t62.7118-24/{os.urandom(8).hex()}_n.enc"
        self.blobs[direct] = Blob(body, kind)
        path = f"{direct}?ccb=11-4&oh=01_{os.urandom(4).hex()}&oe=6A000000&_nc_sid=5e03e0"
        return 200, json.dumps({"url": f"https://{HOST}{path}&mms3=true", "direct_path": path}).encode()

    async def _give(self, path: str, query: dict[str, str]) -> tuple[int, bytes]:
        self.fetched.append(path)
        blob = self.blobs.get(path)
        if blob is None:
            return 404, b""
        await asyncio.sleep(blob.seconds)
        if blob.status != 200:
            return blob.status, b""
        if "oh" not in query or query.get("mms-type") != blob.kind:
            return 403, b""
        return 200, blob.content


def _token(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()


@handles("w:m", "set", "media_conn")
def media_conn(core: Core, connection: Connection, query: Node) -> list[Node]:
    attrs: dict[str, str | int] = {"auth": core.media.auth, "ttl": 300, "auth_ttl": 21600, "max_buckets": 12}
    return [node("media_conn", attrs, node("host", {"hostname": HOST}))]
