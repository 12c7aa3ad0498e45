"""Signal key bundles: publish, count, fetch. Source: whatsmeow prekeys.go."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from .connection import Connection
from .curve import verify
from .iq import IQError, handles
from .jid import SERVER
from .node import Attrs, Node, node
from .state import Device, SignedPreKey

if TYPE_CHECKING:
    from .core import Core

_LOW = 5  # a client uploads more when the server says it has fewer than this (whatsmeow: MinPreKeyCount)
_DJB = b"\x05"


@handles("encrypt", "get", "count")
def count(core: Core, connection: Connection, query: Node) -> list[Node]:
    assert connection.device
    return [node("count", {"value": len(connection.device.prekeys)})]


@handles("encrypt", "set", "registration")
def upload(core: Core, connection: Connection, query: Node) -> list[Node]:
    device = connection.device
    assert device
    identity, listed, signed = query.child("identity"), query.child("list"), query.child("skey")
    if identity is None or listed is None or signed is None or identity.data != device.identity:
        raise IQError(406)
    signed_prekey = SignedPreKey(_part(signed, "id"), _part(signed, "value"), _part(signed, "signature"))
    if not verify(device.identity, _DJB + signed_prekey.public, signed_prekey.signature):
        raise IQError(406)
    device.signed_prekey = signed_prekey
    known = {key_id for key_id, _ in device.prekeys}
    device.prekeys.extend(
        (key_id, _part(key, "value")) for key in listed.children if (key_id := _part(key, "id")) not in known
    )
    return []


@handles("encrypt", "get", "key")
def fetch(core: Core, connection: Connection, query: Node) -> list[Node]:
    users: list[Node] = []
    for user in query.children[0].all("user"):
        jid = user.jid("jid")
        device = core.directory.device(jid)
        assert jid
        if device is None:
            users.append(node("user", {"jid": jid}, IQError(404).node))
        else:
            users.append(node("user", {"jid": jid}, *_bundle(device)))
    return [node("list", None, *users)]


def _bundle(device: Device) -> list[Node]:
    signed = device.signed_prekey
    parts = [
        node("registration", data=device.registration),
        node("type", data=_DJB),
        node("identity", data=device.identity),
        node(
            "skey",
            None,
            node("id", data=signed.id),
            node("value", data=signed.public),
            node("signature", data=signed.signature),
        ),
    ]
    if device.prekeys:  # each is given out once; without one the bundle still works, with less forward secrecy
        key_id, public = device.prekeys.popleft()
        parts.append(node("key", None, node("id", data=key_id), node("value", data=public)))
        if len(device.prekeys) == _LOW - 1:
            device.outbox.deliver(_running_low(len(device.prekeys)))
    return parts


def _running_low(left: int) -> Node:
    attrs: Attrs = {"from": SERVER, "type": "encrypt", "id": secrets.token_hex(4), "t": int(time.time())}
    return node("notification", attrs, node("count", {"value": left}))


def _part(key: Node, tag: str) -> bytes:
    part = key.child(tag)
    if part is None:
        raise IQError(400)
    return part.data
