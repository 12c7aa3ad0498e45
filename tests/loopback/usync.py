"""usync: who is on WhatsApp, under which LID, with which devices. Source: whatsmeow user.go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .connection import Connection
from .iq import IQError, handles
from .jid import JID, LEGACY_SERVER, PN_SERVER, parse_jid
from .node import Node, node
from .state import AccountState

if TYPE_CHECKING:
    from .core import Core


@handles("usync", "get", "usync")
def usync(core: Core, connection: Connection, query: Node) -> list[Node]:
    assert connection.device
    asked, listed = query.children[0].child("query"), query.children[0].child("list")
    if asked is None or listed is None:
        raise IQError(400)
    protocols = [protocol.tag for protocol in asked.children]
    users = [_user(core, connection.device.account, user, protocols) for user in listed.all("user")]
    return [node("usync", None, node("result"), node("list", None, *users))]


def _user(core: Core, asker: AccountState, user: Node, protocols: list[str]) -> Node:
    contact = user.child("contact")
    if contact:
        return _contact(core, contact)
    jid = user.jid("jid")
    if jid is None:
        raise IQError(400)
    account = core.directory.find(jid)
    if account is None:
        return node("user", {"jid": jid})
    answers: list[Node] = []
    if "devices" in protocols:
        account.watchers.add(asker)
        answers.append(_devices(account))
    if "lid" in protocols:
        answers.append(node("lid", {"val": account.lid}))
    return node("user", {"jid": jid}, *answers)


def _contact(core: Core, contact: Node) -> Node:
    """The phone book's question: is +55… on WhatsApp?"""
    written = contact.data.decode()
    phone = parse_jid(written).user.lstrip("+")
    account = core.directory.find(JID(phone, PN_SERVER))
    if account is None:
        return node("user", {"jid": JID(phone, LEGACY_SERVER)}, node("contact", {"type": "out"}, data=contact.data))
    found = node("contact", {"type": "in"}, data=contact.data)
    return node("user", {"jid": account.lid, "pn_jid": account.pn}, found)


def _devices(account: AccountState) -> Node:
    devices = (
        node("device", {"id": device.number, "key-index": device.key_index}) for device in account.devices.values()
    )
    return node("devices", None, node("device-list", None, *devices))
