"""Messages: check what a device sends, acknowledge it, pass it on. The server cannot read any of it.

Source: whatsmeow send.go (what is sent), message.go (what is expected), receipt.go and retry.go.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import adv
from .acks import AckPlan
from .connection import Connection
from .groups import Group
from .jid import GROUP_SERVER, JID
from .node import Attrs, AttrValue, Node, node
from .outbox import message_received_by
from .phash import phash
from .protos import wa_adv
from .stanzas import Stanza
from .state import PHONE, AccountState, Device

if TYPE_CHECKING:
    from .core import Core

# What WhatsApp writes into <ack error=…>. 479 is known (Baileys: "smax-invalid: stale device session or malformed
# addressing"); the other two are this server's guess at a code, the refusal itself is known.
MALFORMED = 479
NOT_ALLOWED = 403
NOT_FOUND = 404

_PASSED_ON = ("meta", "biz")


class Refused(Exception):
    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass
class _Outgoing:
    """A checked message: who gets which encryption of it."""

    sender: Device
    stanza: Node
    encryptions: dict[Device, Node]
    shared: Node | None = None  # a group's sender-key encryption
    group: Group | None = None
    peer: AccountState | None = None
    expected_phash: str = ""


class Relay:
    def __init__(self, core: Core) -> None:
        self.core = core

    def message(self, connection: Connection, stanza: Node) -> None:
        sender = connection.device
        assert sender
        plan = self.core.acks.take(sender.account, stanza)
        error, outgoing = plan.error, None
        if not error:
            try:
                outgoing = self._check(sender, stanza)
            except Refused as refusal:
                error = refusal.code
                self.core.refusals.append(f"{stanza.text('id')}: {refusal}")
        self.core.stanzas.append(Stanza.of(sender, stanza, self._chat(stanza), error))
        self._acknowledge(connection, stanza, plan, error, outgoing.expected_phash if outgoing else "")
        if outgoing:
            self._pass_on(outgoing)

    def _acknowledge(self, connection: Connection, stanza: Node, plan: AckPlan, error: int, expected: str) -> None:
        if plan.silent:
            return
        attrs: Attrs = {
            "class": "message",
            "id": stanza.text("id"),
            "from": stanza.attrs.get("to"),
            "t": int(time.time()),
            "error": error or None,
            "phash": expected,
        }
        ack = node("ack", attrs)
        if plan.delay:
            self.core.call_later(plan.delay, connection.send, ack)
        else:
            connection.send(ack)

    def _chat(self, stanza: Node) -> str:
        to = stanza.jid("to")
        account = self.core.directory.find(to)
        return str(account.pn) if account else str(to or "").partition(":")[0]

    # -- checks

    def _check(self, sender: Device, stanza: Node) -> _Outgoing:
        to = stanza.jid("to")
        if to is None or not stanza.text("id"):
            raise Refused(MALFORMED, "no recipient or no id; JIDs are written as JIDs, not as text")
        self._check_identity(sender, stanza)
        if stanza.text("device_fanout") == "false" or (to.server == GROUP_SERVER and stanza.jid("participant")):
            return self._check_resend(sender, stanza, to)
        if to.server == GROUP_SERVER:
            return self._check_group(sender, stanza, to)
        peer = self.core.directory.find(to)
        if peer is None:
            raise Refused(NOT_FOUND, f"{to} is not on WhatsApp")
        if stanza.text("category") == "peer":
            return self._check_peer(sender, stanza, peer)
        if to.device:
            raise Refused(MALFORMED, "a message goes to an account, not to a device")
        encryptions = self._encryptions(stanza, [peer, sender.account])
        if not encryptions:
            raise Refused(MALFORMED, "encrypted for nobody")
        everybody = {*peer.devices.values(), *sender.account.devices.values()}
        complete = {*encryptions, sender} == everybody
        expected = "" if complete else phash(device.lid for device in everybody)
        return _Outgoing(sender, stanza, encryptions, peer=peer, expected_phash=expected)

    def _check_peer(self, sender: Device, stanza: Node, peer: AccountState) -> _Outgoing:
        """A companion's message to its own phone (asking for history, for keys)."""
        enc = stanza.child("enc")
        if peer is not sender.account or enc is None:
            raise Refused(MALFORMED, "a peer message goes to one's own phone")
        phone = peer.devices.get(PHONE)
        return _Outgoing(sender, stanza, {phone: enc} if phone else {}, peer=peer)

    def _check_group(self, sender: Device, stanza: Node, to: JID) -> _Outgoing:
        group = self.core.groups.find(to)
        if group is None:
            raise Refused(NOT_FOUND, f"no group {to}")
        if sender.account not in group.members:
            raise Refused(NOT_ALLOWED, "not a member of the group")
        if group.announcement and not group.is_admin(sender.account):
            raise Refused(NOT_ALLOWED, "only admins may write here")
        shared = stanza.child("enc")
        if shared is None or shared.text("type") != "skmsg" or not stanza.text("phash"):
            raise Refused(MALFORMED, "a group message has a sender-key encryption and a phash")
        encryptions = self._encryptions(stanza, list(group.members))
        expected = phash(device for member in group.members for device in member.device_lids())
        return _Outgoing(
            sender, stanza, encryptions, shared, group,
            expected_phash="" if expected == stanza.text("phash") else expected,
        )  # fmt: skip

    def _check_resend(self, sender: Device, stanza: Node, to: JID) -> _Outgoing:
        """The answer to a retry receipt: one encryption, for the one device that asked."""
        group = self.core.groups.find(to) if to.server == GROUP_SERVER else None
        device = self.core.directory.device(stanza.jid("participant") if group else to)
        enc = stanza.child("enc")
        if device is None or enc is None:
            raise Refused(MALFORMED, "a resend goes to one device")
        self._check_enc(enc)
        peer = None if group else self.core.directory.find(stanza.jid("recipient")) or device.account
        return _Outgoing(sender, stanza, {device: enc}, group=group, peer=peer)

    def _encryptions(self, stanza: Node, allowed: list[AccountState]) -> dict[Device, Node]:
        participants = stanza.child("participants")
        found: dict[Device, Node] = {}
        for to in participants.children if participants else []:
            jid, enc = to.jid("jid"), to.child("enc")
            account = self.core.directory.find(jid)
            if jid is None or enc is None or account not in allowed:
                raise Refused(MALFORMED, f"encrypted for {jid}, who has no part in this chat")
            self._check_enc(enc)
            device = account.devices.get(jid.device)
            if device:
                found[device] = enc
            elif jid.device >= account.next_device:
                raise Refused(MALFORMED, f"there never was a device {jid}")
            # A device that is gone is left out; the ack's phash tells the sender to look again.
        return found

    @staticmethod
    def _check_enc(enc: Node) -> None:
        if enc.text("v") != "2" or enc.text("type") not in ("msg", "pkmsg") or not enc.data:
            raise Refused(MALFORMED, "an encryption is version 2, msg or pkmsg")

    @staticmethod
    def _check_identity(sender: Device, stanza: Node) -> None:
        """A first message to somebody (pkmsg) shows that the account vouches for this device."""
        shown = stanza.child("device-identity")
        participants = stanza.child("participants")
        parts = [to.child("enc") for to in participants.children] if participants else []
        first = any(enc is not None and enc.text("type") == "pkmsg" for enc in [*parts, stanza.child("enc")])
        if shown is None:
            if first:
                raise Refused(MALFORMED, "a pkmsg without device-identity")
            return
        known = sender.signed_identity
        if known is None or shown.data == known.SerializeToString(deterministic=True):
            return
        identity = wa_adv.ADVSignedDeviceIdentity.FromString(shown.data)
        if identity.details != known.details or not adv.holds(identity, known.accountSignatureKey, sender.identity):
            raise Refused(MALFORMED, "the device identity is not the one this device was linked with")

    # -- delivery

    def _pass_on(self, outgoing: _Outgoing) -> None:
        stanza = outgoing.stanza
        attrs: dict[str, AttrValue] = {"id": stanza.text("id"), "type": stanza.text("type") or "text"}
        for name in ("edit", "category"):
            if name in stanza.attrs:
                attrs[name] = stanza.attrs[name]
        attrs["t"] = stanza.text("t") or str(int(time.time()))
        attrs["notify"] = outgoing.sender.account.name
        attrs["addressing_mode"] = "lid"
        common = [child for child in stanza.children if child.tag in _PASSED_ON]
        identity = stanza.child("device-identity")
        for device in self._receivers(outgoing):
            enc = outgoing.encryptions.get(device)
            content = [part for part in (enc, outgoing.shared) if part]
            if identity and enc and enc.text("type") == "pkmsg":
                content.append(identity)
            delivered = Node("message", attrs | self._addresses(outgoing, device), content + common)
            device.outbox.deliver(delivered)

    def _receivers(self, outgoing: _Outgoing) -> list[Device]:
        if outgoing.group and outgoing.shared:
            devices = [device for member in outgoing.group.members for device in member.devices.values()]
        else:
            devices = list(outgoing.encryptions)
        return [device for device in devices if device is not outgoing.sender and not device.simulated]

    @staticmethod
    def _addresses(outgoing: _Outgoing, device: Device) -> dict[str, AttrValue]:
        sender, group, peer = outgoing.sender, outgoing.group, outgoing.peer
        if group:
            return {"from": group.jid, "participant": sender.lid, "participant_pn": sender.account.pn}
        if device.account is sender.account and peer:
            return {"from": sender.lid, "recipient": peer.lid, "peer_recipient_pn": peer.pn}
        return {"from": sender.lid, "sender_pn": sender.account.pn}

    # -- receipts

    def receipt(self, connection: Connection, stanza: Node) -> None:
        """A receipt acknowledges a message, and tells its sender: delivered, read, or: send it again (retry)."""
        reader = connection.device
        assert reader
        kind = stanza.text("type")
        if kind != "retry":  # after a retry the client acknowledges the message with an <ack> of its own
            for message_id in _message_ids(stanza):
                reader.outbox.acknowledge(message_received_by(stanza, message_id))
        ack: Attrs = {"class": "receipt", "id": stanza.text("id"), "from": stanza.attrs.get("to"), "type": kind}
        connection.send(node("ack", ack))
        self.core.receipts.append(Stanza.of(reader, stanza, self._chat(stanza), 0))
        for device, addresses in self._hearers(reader, stanza):
            attrs: dict[str, AttrValue] = {"id": stanza.text("id"), "t": stanza.text("t") or str(int(time.time()))}
            if kind:
                attrs["type"] = kind
            device.outbox.deliver(Node("receipt", attrs | addresses, list(stanza.children) or None))

    def _hearers(self, reader: Device, stanza: Node) -> list[tuple[Device, dict[str, AttrValue]]]:
        to, participant, kind = stanza.jid("to"), stanza.jid("participant"), stanza.text("type")
        addresses: dict[str, AttrValue] = {"from": reader.lid}
        author = to
        if to is not None and to.server == GROUP_SERVER:
            author = participant
            addresses = {"from": to, "participant": reader.lid}
        account = self.core.directory.find(author)
        if author is None or account is None:
            return []
        if account is reader.account:
            # A copy of an own message arrived: only the device that sent it hears (and may have to send it again).
            if "recipient" in stanza.attrs:
                addresses["recipient"] = stanza.attrs["recipient"]
            only = account.devices.get(author.device)
            devices = [only] if only else []
        elif kind == "retry":
            only = account.devices.get(author.device)
            devices = [only] if only else []
        else:
            devices = list(account.devices.values())
        heard = [(device, addresses) for device in devices if device is not reader and not device.simulated]
        if kind in ("read", "read-self", "played") and account is not reader.account:
            # One's other devices learn what has been read.
            chat: dict[str, AttrValue] = {"from": reader.lid, "recipient": account.lid}
            own = addresses if to is not None and to.server == GROUP_SERVER else chat
            others = [device for device in reader.account.devices.values() if device is not reader]
            heard += [(device, own) for device in others if not device.simulated]
        return heard


def _message_ids(receipt: Node) -> list[str]:
    listed = receipt.child("list")
    return [receipt.text("id"), *(item.text("id") for item in (listed.children if listed else []))]
