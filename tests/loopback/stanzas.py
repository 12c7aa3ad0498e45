"""The record of what clients sent, so that a test can count stanzas."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from .node import Node
from .state import Device


@dataclass(frozen=True)
class Stanza:
    id: str
    sender: str  # the account's phone-number JID
    device: int
    to: str  # as it stands on the wire
    chat: str  # the group, or the phone-number JID of the other side
    type: str
    edit: str
    error: int  # what the server answered, 0 when it accepted
    participants: list[str]
    encryptions: list[str]
    attrs: dict[str, str]
    children: list[str]  # the tags below <message>
    at: float = field(default_factory=time.time)

    @classmethod
    def of(cls, device: Device, stanza: Node, chat: str, error: int) -> Stanza:
        listed = stanza.child("participants")
        participants = [(to.text("jid"), to.child("enc")) for to in (listed.children if listed else [])]
        encs = [*(enc for _, enc in participants if enc), *stanza.all("enc")]
        return cls(
            id=stanza.text("id"),
            sender=str(device.account.pn),
            device=device.number,
            to=stanza.text("to"),
            chat=chat,
            type=stanza.text("type"),
            edit=stanza.text("edit"),
            error=error,
            participants=[jid for jid, _ in participants],
            encryptions=[enc.text("type") for enc in encs],
            attrs={name: str(value) for name, value in stanza.attrs.items()},
            children=[child.tag for child in stanza.children],
        )
