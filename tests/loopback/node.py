"""A stanza: WhatsApp's XML element, before it becomes binary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .jid import JID

AttrValue = str | JID
Attrs = Mapping[str, AttrValue | int | None]


@dataclass(slots=True)
class Node:
    tag: str
    attrs: dict[str, AttrValue] = field(default_factory=dict)
    content: list[Node] | bytes | str | None = None

    @property
    def children(self) -> list[Node]:
        return self.content if isinstance(self.content, list) else []

    @property
    def data(self) -> bytes:
        """The content as bytes. A client may write short text as a token, which decodes to a string."""
        if isinstance(self.content, bytes):
            return self.content
        return self.content.encode() if isinstance(self.content, str) else b""

    def child(self, tag: str) -> Node | None:
        for node in self.children:
            if node.tag == tag:
                return node
        return None

    def all(self, tag: str) -> Iterator[Node]:
        return (node for node in self.children if node.tag == tag)

    def text(self, name: str) -> str:
        """An attribute as text, "" when it is missing."""
        return str(self.attrs.get(name, ""))

    def jid(self, name: str) -> JID | None:
        value = self.attrs.get(name)
        return value if isinstance(value, JID) else None

    def __str__(self) -> str:
        attrs = "".join(f' {name}="{value}"' for name, value in self.attrs.items())
        if isinstance(self.content, list):
            return f"<{self.tag}{attrs}>{''.join(map(str, self.content))}</{self.tag}>"
        if self.content is None:
            return f"<{self.tag}{attrs}/>"
        body = self.content if isinstance(self.content, str) else f"[{len(self.content)} bytes]"
        return f"<{self.tag}{attrs}>{body}</{self.tag}>"


def node(tag: str, attrs: Attrs | None = None, *content: Node, data: bytes | None = None) -> Node:
    """Build a node; attributes that are None are left out, numbers become text."""
    kept: dict[str, AttrValue] = {}
    for name, value in (attrs or {}).items():
        if value is not None and value != "":
            kept[name] = str(value) if isinstance(value, int) else value
    return Node(tag, kept, data if data is not None else (list(content) or None))
