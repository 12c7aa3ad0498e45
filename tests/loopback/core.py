"""The server itself, on its event loop: everything one WhatsApp holds, and where a stanza goes."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from . import appstate, certs, groups, iq, media, prekeys, usync
from .acks import AckPlans
from .binary import Codec
from .calls import Rejection, rejections
from .connection import Connection
from .curve import KeyPair
from .devices import Devices
from .groups import Groups
from .jid import JID, PN_SERVER
from .media import MediaStore
from .node import Node
from .outbox import acknowledged_by
from .pairing import Pairing
from .relay import Relay
from .stanzas import Stanza
from .state import Device, Directory, LoginFailure
from .tokens import load_tokens

log = logging.getLogger(__name__)
_REGISTERED = (appstate, groups, iq, media, prekeys, usync)  # importing them registers their handlers


class Core:
    def __init__(self, workdir: Path, call: Callable[[Callable[[], None]], None]) -> None:
        self.codec = Codec(load_tokens(workdir))
        self.root, self.static = KeyPair.generate(), KeyPair.generate()
        self.certificate = certs.noise_certificate(self.root, self.static.public)
        self.authority: Path
        self.tls: ssl.SSLContext
        self.authority, self.tls = certs.make_tls(workdir)
        self.directory = Directory()
        self.devices = Devices(self)
        self.groups = Groups(self)
        self.media = MediaStore()
        self.pairing = Pairing(self)
        self.relay = Relay(self)
        self.acks = AckPlans(call)
        self.stanzas: list[Stanza] = []
        self.receipts: list[Stanza] = []
        self.rejected_calls: list[Rejection] = []
        self.unknown_iqs: list[str] = []
        self.refusals: list[str] = []
        self.errors: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def handle(self, connection: Connection, stanza: Node) -> None:
        """One stanza from a client."""
        if stanza.tag == "iq":
            iq.answer(self, connection, stanza)
            return
        device = connection.device
        if device is None:
            log.debug("before login: %s", stanza)
        elif stanza.tag == "message":
            self.relay.message(connection, stanza)
        elif stanza.tag == "receipt":
            self.relay.receipt(connection, stanza)
        elif stanza.tag == "ack":
            device.outbox.acknowledge(acknowledged_by(stanza))
        elif stanza.tag == "presence":
            device.present = stanza.text("type") == "available"
        elif stanza.tag == "call":
            self.rejected_calls += rejections(device, stanza)
        else:
            log.debug("accepted without effect: %s", stanza)  # ib, chatstate …

    def login_failure(self, device: Device | None) -> LoginFailure | None:
        if device is None or device.account.failure is None:
            return None
        failure = device.account.failure
        if failure.times is not None:
            failure.times -= 1
            if failure.times <= 0:
                device.account.failure = None
        return failure

    @staticmethod
    def phone_jid(username: int, device: int) -> JID:
        return JID(str(username), PN_SERVER, device)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    def call_soon(action: Callable[..., object], *args: object) -> None:
        asyncio.get_running_loop().call_soon(action, *args)

    @staticmethod
    def call_later(seconds: float, action: Callable[..., object], *args: object) -> None:
        asyncio.get_running_loop().call_later(seconds, action, *args)
