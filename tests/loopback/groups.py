"""Groups: make, look up, change, and tell the members. Source: whatsmeow group.go; Baileys src/Socket/groups.ts."""

from __future__ import annotations

import itertools
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .connection import Connection
from .iq import IQError, handles
from .jid import GROUP_SERVER, JID
from .node import Attrs, Node, node
from .state import AccountState, Device

if TYPE_CHECKING:
    from .core import Core

_MEMBER, _ADMIN, _OWNER = "", "admin", "superadmin"
_SUBJECT_MAX = 100


@dataclass(eq=False)
class Group:
    jid: JID
    subject: str
    creator: AccountState
    members: dict[AccountState, str]  # and what they are: "", "admin", "superadmin"
    created: int = field(default_factory=lambda: int(time.time()))
    announcement: bool = False  # only admins may write
    locked: bool = False  # only admins may change the group's settings
    description: tuple[str, str] | None = None  # id, text
    expiration: int = 0  # of disappearing messages, in seconds

    def is_admin(self, account: AccountState) -> bool:
        return bool(self.members.get(account))

    def node(self) -> Node:
        attrs: Attrs = {
            "id": self.jid.user,
            "subject": self.subject,
            "s_t": self.created,
            "s_o": self.creator.lid,
            "creation": self.created,
            "creator": self.creator.lid,
            "creator_pn": self.creator.pn,
            "size": len(self.members),
            "addressing_mode": "lid",
        }
        children = [_participant(account, role) for account, role in self.members.items()]
        if self.description:
            described: Attrs = {"id": self.description[0], "t": self.created, "participant": self.creator.lid}
            children.append(node("description", described, node("body", data=self.description[1].encode())))
        if self.announcement:
            children.append(node("announcement"))
        if self.locked:
            children.append(node("locked"))
        if self.expiration:
            children.append(node("ephemeral", {"expiration": self.expiration}))
        return node("group", attrs, *children)


def _participant(account: AccountState, role: str = _MEMBER, error: int | None = None) -> Node:
    return node("participant", {"jid": account.lid, "phone_number": account.pn, "type": role, "error": error})


class Groups:
    def __init__(self, core: Core) -> None:
        self.core = core
        self._groups: dict[JID, Group] = {}
        self._numbers = itertools.count(120_363_000_000_000_001)

    def find(self, jid: JID | None) -> Group | None:
        return self._groups.get(jid) if jid else None

    def create(self, creator: AccountState, request: Node) -> Group:
        subject = request.text("subject")
        if not subject or len(subject) > _SUBJECT_MAX:
            raise IQError(406)
        members = {creator: _OWNER}
        for wanted in request.all("participant"):
            account = self.core.directory.find(wanted.jid("jid"))
            if account is None:
                raise IQError(400)
            members.setdefault(account, _MEMBER)
        group = Group(JID(str(next(self._numbers)), GROUP_SERVER), subject, creator, members)
        group.announcement = request.child("announcement") is not None
        group.locked = request.child("locked") is not None
        self._groups[group.jid] = group
        self.tell(group, creator, node("create", {"type": "new", "reason": "invite"}, group.node()))
        return group

    def tell(self, group: Group, actor: AccountState, change: Node, gone: tuple[AccountState, ...] = ()) -> None:
        """The notification that every device of every member gets, the one that made the change too."""
        attrs: Attrs = {
            "from": group.jid,
            "type": "w:gp2",
            "t": int(time.time()),
            "participant": actor.lid,
            "participant_pn": actor.pn,
            "notify": actor.name,
            "addressing_mode": "lid",
        }
        for member in (*group.members, *gone):
            for device in member.devices.values():
                if not device.simulated:
                    device.outbox.deliver(node("notification", {**attrs, "id": secrets.token_hex(5)}, change))

    def change(self, group: Group, actor: AccountState, request: Node) -> list[Node]:
        if request.tag in ("add", "remove", "promote", "demote"):
            return self._members(group, actor, request)
        if group.locked and not group.is_admin(actor):
            raise IQError(403)
        if request.tag == "subject":
            return self._subject(group, actor, request)
        if request.tag == "description":
            body = request.child("body")
            group.description = (request.text("id"), body.data.decode()) if body else None
            self.tell(group, actor, request)
            return []
        if request.tag in ("announcement", "not_announcement", "locked", "unlocked", "ephemeral", "not_ephemeral"):
            return self._setting(group, actor, request)
        raise IQError(400)

    def _subject(self, group: Group, actor: AccountState, request: Node) -> list[Node]:
        subject = request.data.decode()
        if not subject or len(subject) > _SUBJECT_MAX:
            raise IQError(406)
        group.subject = subject
        named: Attrs = {"subject": subject, "s_t": int(time.time()), "s_o": actor.lid, "s_o_pn": actor.pn}
        self.tell(group, actor, node("subject", named))
        return []

    def _setting(self, group: Group, actor: AccountState, request: Node) -> list[Node]:
        if not group.is_admin(actor):
            raise IQError(403)
        if request.tag.endswith("announcement"):
            group.announcement = request.tag == "announcement"
        elif request.tag.endswith("locked"):
            group.locked = request.tag == "locked"
        else:
            group.expiration = int(request.text("expiration") or 0)
        attrs: Attrs = {"v_id": secrets.token_hex(4)} if request.tag.endswith("announcement") else request.attrs
        self.tell(group, actor, node(request.tag, attrs))
        return []

    def _members(self, group: Group, actor: AccountState, request: Node) -> list[Node]:
        if not group.is_admin(actor):
            raise IQError(403)
        changed: list[AccountState] = []
        answers: list[Node] = []
        for wanted in request.all("participant"):
            account = self.core.directory.find(wanted.jid("jid"))
            if account is None:
                raise IQError(400)
            error = self._apply(group, request.tag, account)
            answers.append(_participant(account, group.members.get(account, _MEMBER), error))
            if not error:
                changed.append(account)
        if changed:
            parts = [_participant(account) for account in changed]
            gone = tuple(changed) if request.tag == "remove" else ()
            self.tell(group, actor, node(request.tag, {"v_id": secrets.token_hex(4)}, *parts), gone)
        return [node(request.tag, None, *answers)]

    @staticmethod
    def _apply(group: Group, change: str, account: AccountState) -> int | None:
        """Returns the error that stands in the participant's answer: 409 already in, 404 not in, 406 the owner."""
        inside = account in group.members
        if change == "add":
            if inside:
                return 409
            group.members[account] = _MEMBER
        elif not inside:
            return 404
        elif change == "promote":
            group.members[account] = group.members[account] or _ADMIN
        elif group.members[account] == _OWNER:
            return 406
        elif change == "demote":
            group.members[account] = _MEMBER
        else:
            del group.members[account]
        return None

    def leave(self, group: Group, account: AccountState) -> None:
        del group.members[account]
        self.tell(group, account, node("remove", None, _participant(account)), (account,))

    def of(self, account: AccountState) -> list[Group]:
        return [group for group in self._groups.values() if account in group.members]


def _member(core: Core, connection: Connection, query: Node) -> tuple[Group, Device]:
    group = core.groups.find(query.jid("to"))
    device = connection.device
    assert device
    if group is None:
        raise IQError(404)
    if device.account not in group.members:
        raise IQError(403)
    return group, device


@handles("w:g2", "set", "create")
def create(core: Core, connection: Connection, query: Node) -> list[Node]:
    assert connection.device
    return [core.groups.create(connection.device.account, query.children[0]).node()]


@handles("w:g2", "get", "query")
def query_group(core: Core, connection: Connection, query: Node) -> list[Node]:
    return [_member(core, connection, query)[0].node()]


@handles("w:g2", "get", "participating")
def participating(core: Core, connection: Connection, query: Node) -> list[Node]:
    assert connection.device
    return [node("groups", None, *(group.node() for group in core.groups.of(connection.device.account)))]


@handles("w:g2", "set", "leave")
def leave(core: Core, connection: Connection, query: Node) -> list[Node]:
    assert connection.device
    left: list[Node] = []
    for named in query.children[0].all("group"):
        group = core.groups.find(named.jid("id"))
        if group is None or connection.device.account not in group.members:
            raise IQError(404)
        core.groups.leave(group, connection.device.account)
        left.append(node("group", {"id": group.jid}))
    return [node("leave", None, *left)]


def _change(core: Core, connection: Connection, query: Node) -> list[Node]:
    group, device = _member(core, connection, query)
    return core.groups.change(group, device.account, query.children[0])


for _tag in (
    "add", "remove", "promote", "demote", "subject", "description",
    "announcement", "not_announcement", "locked", "unlocked", "ephemeral", "not_ephemeral",
):  # fmt: skip
    handles("w:g2", "set", _tag)(_change)
