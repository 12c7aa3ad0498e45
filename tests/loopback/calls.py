"""Calls: somebody's phone offers one, a device may reject it. Shapes: whatsmeow call.go."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from .node import Attrs, Node, node
from .state import AccountState, Device


@dataclass(frozen=True)
class Rejection:
    call_id: str
    by: str  # phone-number JID of the account that rejected
    to: str  # and of nobody else than the caller, as it stood on the wire


def offer(caller: AccountState, callee: AccountState) -> str:
    """The caller's phone rings the callee's devices. Returns the call's id."""
    call_id = secrets.token_hex(16).upper()
    for device in callee.devices.values():
        if not device.simulated:
            content = node(
                "offer",
                {"call-id": call_id, "call-creator": caller.lid, "caller_pn": caller.pn},
                node("audio", {"enc": "opus", "rate": 16000}),
                node("net", {"medium": 3}),
            )
            attrs: Attrs = {
                "from": caller.lid,
                "id": secrets.token_hex(8),
                "t": int(time.time()),
                "platform": "android",
            }
            device.outbox.deliver(node("call", attrs, content))
    return call_id


def rejections(device: Device, stanza: Node) -> list[Rejection]:
    found = []
    for child in stanza.all("reject"):
        assert child.jid("call-creator"), "a JID must be written as one"
        found.append(Rejection(child.text("call-id"), str(device.account.pn), stanza.text("to")))
    return found
