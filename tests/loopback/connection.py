"""One client's connection: handshake, login or registration, then stanzas in both directions."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
import traceback
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag

from .binary import MalformedStanza
from .curve import verify
from .jid import SERVER
from .node import Attrs, Node, node
from .noise import PROLOGUE, Handshake, HandshakeFailed, Transport
from .protos import wa6
from .state import Device
from .websocket import frame, read_message

if TYPE_CHECKING:
    from .core import Core

log = logging.getLogger(__name__)

LOGGED_OUT = 401


class Connection:
    def __init__(self, core: Core, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.core = core
        self.device: Device | None = None
        self.registration: wa6.ClientPayload.DevicePairingRegistrationData | None = None
        self.client_static = b""
        self.closed = False
        self._reader, self._writer = reader, writer
        self._buffer = bytearray()
        self._outgoing = bytearray()
        self._transport: Transport | None = None
        self._answers: dict[str, asyncio.Future[Node]] = {}
        self._ids = itertools.count(1)

    # -- life

    async def run(self) -> None:
        try:
            payload = await self._handshake()
            if payload.HasField("devicePairingData"):
                self._register(payload.devicePairingData)
            else:
                self._log_in(payload)
            while not self.closed:
                self._receive(await self._frame())
        except (EOFError, OSError, asyncio.IncompleteReadError):
            log.debug("the client went away")
        except (HandshakeFailed, InvalidTag, MalformedStanza) as error:
            log.warning("refused a client: %r", error)
            self.core.refusals.append(repr(error))
        except Exception:
            # A mistake of the server's own; the test that sees it must not pass.
            log.exception("the server failed")
            self.core.errors.append(traceback.format_exc())
        finally:
            self.close()

    def close(self) -> None:
        """Close from our side; what the device has not acknowledged waits for its next login."""
        if self.closed:
            return
        self.closed = True
        self._flush()
        self._writer.close()
        for waiting in self._answers.values():
            waiting.cancel()
        if self.device and self.device.connection is self:
            self.device.connection = None
            self.device.present = False
            self.device.outbox.close()
        self.core.pairing.forget(self)

    async def _handshake(self) -> wa6.ClientPayload:
        handshake = Handshake(self.core.static, self.core.certificate)
        await self._need(len(PROLOGUE))
        if self._buffer[: len(PROLOGUE)] != PROLOGUE:
            raise HandshakeFailed("not the prologue of this protocol version")
        del self._buffer[: len(PROLOGUE)]
        self._write(handshake.hello(await self._frame()))
        payload, self._transport = handshake.finish(await self._frame())
        self.client_static = handshake.client_static
        return payload

    def _register(self, data: wa6.ClientPayload.DevicePairingRegistrationData) -> None:
        if not verify(data.eIdent, b"\x05" + data.eSkeyVal, data.eSkeySig):
            self.fail(LOGGED_OUT)
            raise HandshakeFailed("the signed prekey is not signed by the identity key")
        self.registration = data
        self.core.pairing.offer(self)

    def _log_in(self, payload: wa6.ClientPayload) -> None:
        device = self.core.directory.device(self.core.phone_jid(payload.username, payload.device))
        failure = self.core.login_failure(device)
        if failure:
            self.fail(failure.reason, **failure.attrs)
        elif device is None or device.noise != self.client_static:
            # Unlinked while it was away, or somebody else's device number.
            self.fail(LOGGED_OUT)
        else:
            if device.connection:
                device.connection.end(node("conflict", {"type": "replaced"}))
            self.device, device.connection = device, self
            self.send(node("success", {"t": int(time.time()), "lid": device.lid, "props": 0, "location": "lba"}))

    # -- stanzas

    def send(self, stanza: Node) -> None:
        if self._transport and not self.closed:
            self._write(self._transport.encrypt(self.core.codec.encode(stanza)))

    async def ask(self, attrs: Attrs, *content: Node, timeout: float = 10) -> Node:
        """Send an IQ of our own and wait for the client's answer."""
        request_id = f"loopback-{next(self._ids)}"
        answer: asyncio.Future[Node] = asyncio.get_running_loop().create_future()
        self._answers[request_id] = answer
        self.send(node("iq", {"from": SERVER, "id": request_id, **attrs}, *content))
        try:
            async with asyncio.timeout(timeout):
                return await answer
        finally:
            self._answers.pop(request_id, None)

    def fail(self, reason: int, **attrs: str | int) -> None:
        """Refuse the login. Shape: whatsmeow connectionevents.go, handleConnectFailure."""
        self.send(node("failure", {"reason": reason, "location": "lba", **attrs}))
        self._close_soon()

    def end(self, *children: Node, code: int | None = None) -> None:
        """End the stream with an error. Shape: whatsmeow connectionevents.go, handleStreamError."""
        self.send(node("stream:error", {"code": code}, *children))
        self._close_soon()

    def _close_soon(self) -> None:
        if self.device and self.device.connection is self:
            self.device.connection = None
            self.device.outbox.close()
        # Give the client the moment to read it: a reset can overtake what was sent before.
        asyncio.get_running_loop().call_later(0.2, self.close)

    def _receive(self, data: bytes) -> None:
        assert self._transport
        stanza = self.core.codec.decode(self._transport.decrypt(data))
        if stanza.tag == "iq" and stanza.text("type") in ("result", "error"):
            waiting = self._answers.get(stanza.text("id"))
            if waiting and not waiting.done():
                waiting.set_result(stanza)
            return
        self.core.handle(self, stanza)

    # -- frames: three bytes of length, then the data

    def _write(self, data: bytes) -> None:
        # One system call for all that one round of the event loop has to say: a wake-up of the client costs more than
        # building the frame did.
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing += frame(len(data).to_bytes(3, "big") + data)

    def _flush(self) -> None:
        if self._outgoing and not self._writer.is_closing():
            self._writer.write(bytes(self._outgoing))
            self._outgoing.clear()

    async def _frame(self) -> bytes:
        await self._need(3)
        size = 3 + int.from_bytes(self._buffer[:3], "big")
        await self._need(size)
        data = bytes(self._buffer[3:size])
        del self._buffer[:size]
        return data

    async def _need(self, size: int) -> None:
        while len(self._buffer) < size:
            message = await read_message(self._reader, self._writer)
            if message is None:
                raise EOFError
            self._buffer += message
