"""Linking a device: QR references, and the phone's side of both ways to pair.

Source: whatsmeow pair.go, qrchan.go and pair-code.go.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import adv
from .connection import Connection
from .jid import SERVER
from .linkcode import CodeExchange, WrongCode
from .node import Node, node
from .protos import wa_adv
from .state import PHONE, AccountState, Device, SignedPreKey

if TYPE_CHECKING:
    from .core import Core

RESTART_AFTER_PAIRING = 515


class PairingRefused(Exception):
    """The phone would say: this code does not work."""


@dataclass
class QrTiming:
    """How many references one connection gets, and how long each is good for, in seconds.

    WhatsApp: six, the first for 60 s, the others for 20 s (whatsmeow qrchan.go). The client turns them over by the same
    clock of its own; what is set here is only what the server accepts, and when it closes the connection.
    """

    count: int = 6
    first: float = 60
    others: float = 20

    @property
    def total(self) -> float:
        return self.first + (self.count - 1) * self.others


@dataclass
class _Offer:
    connection: Connection
    begins: float
    ends: float


def _read_qr(text: str) -> tuple[str, bytes, bytes, bytes]:
    """The reference, the client's two public keys and the ADV secret. Source: whatsmeow pair.go, makeQRData."""
    try:
        ref, *keys = text.rpartition("#")[2].split(",")
        noise, identity, secret = (base64.b64decode(key) for key in keys[:3])
    except ValueError as error:
        raise PairingRefused("no WhatsApp QR code") from error
    return ref, noise, identity, secret


def _passkey_wanted() -> Node:
    """Source: whatsmeow pair-passkey.go, handlePasskeyNotification."""
    options = {"challenge": "bm90aGluZw", "timeout": 600_000, "rpId": "whatsapp.com", "allowCredentials": [],
               "userVerification": "required"}  # fmt: skip
    return node(
        "notification",
        {"from": SERVER, "type": "passkey_prologue_request", "id": secrets.token_hex(4), "t": int(time.time())},
        node("passkey_request_options", data=json.dumps(options).encode()),
    )


class Pairing:
    def __init__(self, core: Core) -> None:
        self.core = core
        self.timing = QrTiming()
        self._offers: dict[str, _Offer] = {}
        self._codes: dict[AccountState, CodeExchange] = {}

    # -- QR

    def offer(self, connection: Connection) -> None:
        """Hand a fresh client its references."""
        now = time.monotonic()
        refs: list[Node] = []
        begins, ends = now, now + self.timing.first
        for _ in range(self.timing.count):
            ref = f"2@{base64.b64encode(secrets.token_bytes(48)).decode()}"
            refs.append(node("ref", data=ref.encode()))
            self._offers[ref] = _Offer(connection, begins, ends)
            begins, ends = ends, ends + self.timing.others
        request = node(
            "iq",
            {"from": SERVER, "type": "set", "id": secrets.token_hex(4), "xmlns": "md"},
            node("pair-device", None, *refs),
        )
        connection.send(request)
        asyncio.get_running_loop().call_later(self.timing.total, self._expire, connection)

    def _expire(self, connection: Connection) -> None:
        if connection.device is None:
            connection.send(Node("xmlstreamend"))
            connection.close()

    def forget(self, connection: Connection) -> None:
        if connection.registration is not None:
            self._offers = {ref: offer for ref, offer in self._offers.items() if offer.connection is not connection}

    async def scan(self, account: AccountState, qr: str, *, primary: bool = False) -> Device:
        """The phone's camera sees this QR text."""
        ref, noise, identity, secret = _read_qr(qr)
        offer = self._offers.get(ref)
        if offer is None or time.monotonic() > offer.ends:
            raise PairingRefused("the QR code has expired")
        registration = offer.connection.registration
        assert registration
        if noise != offer.connection.client_static or identity != registration.eIdent:
            raise PairingRefused("the QR code names other keys than the client's connection")
        return await self.link(offer.connection, account, secret, primary=primary)

    # -- pairing code

    def hello(self, connection: Connection, request: Node) -> Node | None:
        """companion_hello: a client asks to be linked to a phone number by code."""
        account = self.core.directory.find(request.jid("jid"))
        if account is None or connection.registration is None:
            return None
        exchange = CodeExchange(connection, request)
        self._codes[account] = exchange
        return node(
            "link_code_companion_reg", {"stage": "companion_hello"}, node("link_code_pairing_ref", data=exchange.ref)
        )

    async def enter_code(self, account: AccountState, code: str) -> Device:
        """The phone's owner types the eight characters."""
        exchange = self._codes.get(account)
        if exchange is None or exchange.connection.closed:
            raise PairingRefused("no device is waiting for a code")
        exchange.connection.send(exchange.primary_hello(account.key, code))
        async with asyncio.timeout(10):
            bundle = await exchange.finished
        registration = exchange.connection.registration
        assert registration
        try:
            secret = exchange.adv_secret(account.key, registration.eIdent, bundle)
        except WrongCode as error:
            raise PairingRefused("wrong code") from error
        del self._codes[account]
        return await self.link(exchange.connection, account, secret)

    def finish(self, connection: Connection, request: Node) -> bool:
        """companion_finish: the client answers the phone with its key bundle."""
        account = self.core.directory.find(request.jid("jid"))
        exchange = self._codes.get(account) if account else None
        if exchange is None or exchange.connection is not connection:
            return False
        return exchange.finish(request)

    # -- both

    async def link(
        self, connection: Connection, account: AccountState, secret: bytes, *, primary: bool = False
    ) -> Device:
        """Vouch for the client as a device of the account, and have it sign back."""
        registration = connection.registration
        assert registration
        if account.wants_passkey:
            connection.send(_passkey_wanted())
            raise PairingRefused("the phone waits for the passkey")
        number = PHONE if primary else account.number_device()
        vouched = adv.vouch(account.key, registration.eIdent, number)
        pair_success = node(
            "pair-success",
            None,
            node("device-identity", data=adv.seal(vouched, secret)),
            node("device", {"jid": account.pn.with_device(number), "lid": account.lid.with_device(number)}),
            node("platform", {"name": "android"}),
        )
        answer = await connection.ask({"type": "set", "xmlns": "md", "t": int(time.time())}, pair_success)
        signed = self._signed_back(answer, vouched, registration.eIdent)
        device = Device(
            account,
            number,
            identity=registration.eIdent,
            registration=registration.eRegid,
            signed_prekey=SignedPreKey(registration.eSkeyID, registration.eSkeyVal, registration.eSkeySig),
            noise=connection.client_static,
            key_index=number,
            signed_identity=signed,
        )
        account.devices[number] = device
        self.core.devices.added(device)
        connection.end(code=RESTART_AFTER_PAIRING)
        return device

    @staticmethod
    def _signed_back(
        answer: Node, vouched: wa_adv.ADVSignedDeviceIdentity, companion: bytes
    ) -> wa_adv.ADVSignedDeviceIdentity:
        error = answer.child("error")
        if error:
            raise PairingRefused(f"the client refused: {error.text('code')} {error.text('text')}")
        sign = answer.child("pair-device-sign")
        identity = sign.child("device-identity") if sign else None
        signed = wa_adv.ADVSignedDeviceIdentity.FromString(identity.data if identity else b"")
        account_key = vouched.accountSignatureKey
        if signed.details != vouched.details or not adv.holds(signed, account_key, companion):
            raise PairingRefused("the client's device signature is wrong")
        signed.accountSignatureKey = account_key
        return signed
