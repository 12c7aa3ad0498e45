"""Info queries: which handler answers which, and the simple ones.

A handler gets the connection and the query and returns the children of the result. What nobody handles gets an empty
result, as it is fine for most, and is recorded: later work (media, app state) finds its cases in ``unknown_iqs``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .connection import Connection
from .node import Attrs, Node, node

if TYPE_CHECKING:
    from .core import Core

Handler = Callable[["Core", Connection, Node], list[Node]]
_HANDLERS: dict[tuple[str, str, str], Handler] = {}


class IQError(Exception):
    """Answer with an error. Codes and texts: whatsmeow errors.go."""

    TEXTS = {
        400: "bad-request",
        401: "not-authorized",
        403: "forbidden",
        404: "item-not-found",
        406: "not-acceptable",
        500: "internal-server-error",
    }

    def __init__(self, code: int) -> None:
        super().__init__(f"{code} {self.TEXTS[code]}")
        self.code = code

    @property
    def node(self) -> Node:
        return node("error", {"code": self.code, "text": self.TEXTS[self.code]})


def handles(xmlns: str, kind: str, child: str = "") -> Callable[[Handler], Handler]:
    """Register a handler for ``<iq xmlns= type=>`` with this first child ("": none)."""

    def register(handler: Handler) -> Handler:
        _HANDLERS[xmlns, kind, child] = handler
        return handler

    return register


def answer(core: Core, connection: Connection, query: Node) -> None:
    children = query.children
    key = query.text("xmlns"), query.text("type"), children[0].tag if children else ""
    handler = _HANDLERS.get(key)
    kind = "result"
    try:
        # Before login only pairing is spoken (namespace md), and the ping.
        if connection.device is None and key[0] not in ("md", "w:p"):
            raise IQError(401)
        if handler is None:
            core.unknown_iqs.append(str(query))
        content = handler(core, connection, query) if handler else []
    except IQError as error:
        kind, content = "error", [error.node]
    attrs: Attrs = {"from": query.attrs.get("to", ""), "type": kind, "id": query.text("id")}
    connection.send(node("iq", attrs, *content))


@handles("w:p", "get")
def ping(core: Core, connection: Connection, query: Node) -> list[Node]:
    return []


@handles("passive", "set", "passive")
def passive(core: Core, connection: Connection, query: Node) -> list[Node]:
    return []


@handles("passive", "set", "active")
def active(core: Core, connection: Connection, query: Node) -> list[Node]:
    """The client is ready: after the answer comes what waited for it."""
    assert connection.device
    core.spawn(connection.device.outbox.open(connection.send))
    return []


@handles("privacy", "get", "privacy")
def privacy(core: Core, connection: Connection, query: Node) -> list[Node]:
    names = ("readreceipts", "last", "profile", "status", "online", "groupadd", "calladd")
    return [node("privacy", None, *(node("category", {"name": name, "value": "all"}) for name in names))]


@handles("privacy", "set", "tokens")
def privacy_tokens(core: Core, connection: Connection, query: Node) -> list[Node]:
    return []


@handles("blocklist", "get")
def blocklist(core: Core, connection: Connection, query: Node) -> list[Node]:
    assert connection.device
    blocked = connection.device.account.blocked
    return [node("list", {"dhash": str(len(blocked))}, *(node("item", {"jid": account.lid}) for account in blocked))]


@handles("w:profile:picture", "get", "picture")
def picture(core: Core, connection: Connection, query: Node) -> list[Node]:
    raise IQError(404)


@handles("md", "set", "link_code_companion_reg")
def link_code(core: Core, connection: Connection, query: Node) -> list[Node]:
    request = query.children[0]
    stage = request.text("stage")
    if stage == "companion_hello":
        offered = core.pairing.hello(connection, request)
        if offered is None:
            raise IQError(400)
        return [offered]
    if stage == "companion_finish" and core.pairing.finish(connection, request):
        return []
    raise IQError(400)


@handles("md", "set", "remove-companion-device")
def remove_companion(core: Core, connection: Connection, query: Node) -> list[Node]:
    """The client logs itself out; the stream ends after the answer."""
    device = connection.device
    assert device
    if query.children[0].jid("jid") not in (device.pn, device.lid):
        raise IQError(403)
    core.call_soon(core.devices.remove, device)
    return []
