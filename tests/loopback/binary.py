"""WhatsApp's binary XML: stanzas to bytes and back. Source: whatsmeow binary/encoder.go and decoder.go."""

from __future__ import annotations

import re
import zlib

from .jid import JID, LID_SERVER, PN_SERVER
from .node import AttrValue, Node
from .tokens import Tokens

LIST_EMPTY, DICTIONARY_0 = 0, 236
AD_JID, LIST_8, LIST_16, JID_PAIR, HEX_8, BINARY_8, BINARY_20, BINARY_32, NIBBLE_8 = range(247, 256)
PACKED_MAX = 127
COMPRESSED = 2

_DOMAINS = {0: PN_SERVER, 1: LID_SERVER, 128: "hosted", 129: "hosted.lid"}
_DOMAIN_OF = {server: domain for domain, server in _DOMAINS.items()}
_NIBBLE = re.compile(r"[0-9.\-]+")
_HEX = re.compile(r"[0-9A-F]+")
_NIBBLE_TO_HEX = str.maketrans("-.", "AB")
_HEX_TO_NIBBLE = str.maketrans("AB", "-.")


class MalformedStanza(ValueError):
    """The bytes are no stanza."""


class Codec:
    """Encoder and decoder over one token dictionary."""

    def __init__(self, tokens: Tokens) -> None:
        self.single = tokens.single
        self.double = tokens.double
        self._encoded: dict[str, bytes] = {}
        for dictionary, words in enumerate(tokens.double):
            for index, word in enumerate(words):
                self._encoded[word] = bytes((DICTIONARY_0 + dictionary, index))
        for index, word in enumerate(tokens.single):
            if word:
                self._encoded[word] = bytes((index,))

    # -- encoding

    def encode(self, node: Node) -> bytes:
        out = bytearray(b"\0")  # flags: not compressed
        self._node(out, node)
        return bytes(out)

    def _node(self, out: bytearray, node: Node) -> None:
        content = node.content
        _list_start(out, 1 + 2 * len(node.attrs) + (content is not None))
        self._string(out, node.tag)
        for name, value in node.attrs.items():
            self._string(out, name)
            if isinstance(value, JID):
                self._jid(out, value)
            else:
                self._string(out, value)
        if content is None:
            return
        if isinstance(content, list):
            _list_start(out, len(content))
            for child in content:
                self._node(out, child)
        elif isinstance(content, bytes):
            _raw(out, content)  # byte content is never a token: a client casts it to bytes without looking
        else:
            self._string(out, content)

    def _string(self, out: bytearray, text: str) -> None:
        known = self._encoded.get(text)
        if known is not None:
            out += known
        elif text and len(text) <= PACKED_MAX and _NIBBLE.fullmatch(text):
            _packed(out, NIBBLE_8, text.translate(_NIBBLE_TO_HEX))
        elif text and len(text) <= PACKED_MAX and _HEX.fullmatch(text):
            _packed(out, HEX_8, text)
        else:
            _raw(out, text.encode())

    def _jid(self, out: bytearray, jid: JID) -> None:
        if jid.device:
            out += bytes((AD_JID, _DOMAIN_OF[jid.server], jid.device))
            self._string(out, jid.user)
            return
        out.append(JID_PAIR)
        if jid.user:
            self._string(out, jid.user)
        else:
            out.append(LIST_EMPTY)
        self._string(out, jid.server)

    # -- decoding

    def decode(self, frame: bytes) -> Node:
        data = zlib.decompress(frame[1:]) if frame[0] & COMPRESSED else frame[1:]
        try:
            return _Decoder(self, data).node()
        except (IndexError, UnicodeDecodeError, TypeError) as error:
            raise MalformedStanza(str(error)) from error


def _list_start(out: bytearray, size: int) -> None:
    if size == 0:
        out.append(LIST_EMPTY)
    elif size < 256:
        out += bytes((LIST_8, size))
    else:
        out.append(LIST_16)
        out += size.to_bytes(2, "big")


def _raw(out: bytearray, data: bytes) -> None:
    size = len(data)
    if size < 256:
        out += bytes((BINARY_8, size))
    elif size < 1 << 20:
        out.append(BINARY_20)
        out += size.to_bytes(3, "big")
    else:
        out.append(BINARY_32)
        out += size.to_bytes(4, "big")
    out += data


def _packed(out: bytearray, kind: int, digits: str) -> None:
    odd = len(digits) & 1
    packed = bytes.fromhex(digits + "F" if odd else digits)
    out += bytes((kind, len(packed) | (0x80 if odd else 0)))
    out += packed


class _Decoder:
    __slots__ = ("at", "codec", "data")

    def __init__(self, codec: Codec, data: bytes) -> None:
        self.codec = codec
        self.data = data
        self.at = 0

    def byte(self) -> int:
        value = self.data[self.at]
        self.at += 1
        return value

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> bytes:
        piece = self.data[self.at : self.at + size]
        if len(piece) != size:
            raise MalformedStanza("the stanza ends early")
        self.at += size
        return piece

    def list_size(self, tag: int) -> int:
        if tag == LIST_8:
            return self.byte()
        if tag == LIST_16:
            return self.number(2)
        if tag == LIST_EMPTY:
            return 0
        raise MalformedStanza(f"{tag} is no list")

    def node(self) -> Node:
        size = self.list_size(self.byte())
        tag = self.value(self.byte())
        if not size or not isinstance(tag, str) or not tag:
            raise MalformedStanza("a stanza without a tag")
        attrs: dict[str, AttrValue] = {}
        for _ in range((size - 1) >> 1):
            name = self.value(self.byte())
            value = self.value(self.byte())
            if not isinstance(name, str):
                raise MalformedStanza("an attribute name that is no text")
            attrs[name] = value.decode() if isinstance(value, bytes) else (value or "")
        if size & 1:
            return Node(tag, attrs)
        return Node(tag, attrs, self.content())

    def content(self) -> list[Node] | bytes | str | None:
        tag = self.byte()
        if tag in (LIST_8, LIST_16, LIST_EMPTY):
            return [self.node() for _ in range(self.list_size(tag))]
        if BINARY_8 <= tag <= BINARY_32:
            return self.take(self.number((1, 3, 4)[tag - BINARY_8]))
        value = self.value(tag)
        return str(value) if value is not None else None

    def value(self, tag: int) -> str | JID | None:
        """A tag name, an attribute's name or its value."""
        if 0 < tag < DICTIONARY_0:
            return self.codec.single[tag]
        if tag < DICTIONARY_0 + 4 and tag:
            return self.codec.double[tag - DICTIONARY_0][self.byte()]
        if BINARY_8 <= tag <= BINARY_32:
            return self.take(self.number((1, 3, 4)[tag - BINARY_8])).decode()
        if tag in (HEX_8, NIBBLE_8):
            size = self.byte()
            digits = self.take(size & 0x7F).hex().upper()
            if size & 0x80:
                digits = digits[:-1]
            return digits if tag == HEX_8 else digits.translate(_HEX_TO_NIBBLE)
        if tag == JID_PAIR:
            user, server = self.value(self.byte()), self.value(self.byte())
            return JID(str(user or ""), str(server))
        if tag == AD_JID:
            domain, device = self.byte(), self.byte()
            return JID(str(self.value(self.byte())), _DOMAINS.get(domain, PN_SERVER), device)
        if tag == LIST_EMPTY:
            return None
        raise MalformedStanza(f"unknown token {tag}")
