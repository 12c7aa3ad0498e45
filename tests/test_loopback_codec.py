"""The building blocks of the loopback server, without a client."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from tests.loopback.binary import Codec, MalformedStanza
from tests.loopback.curve import KeyPair, verify
from tests.loopback.jid import JID, parse_jid
from tests.loopback.node import Node, node
from tests.loopback.phash import phash
from tests.loopback.tokens import load_tokens

pytestmark = pytest.mark.sqlite_only


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Codec:
    return Codec(load_tokens(tmp_path_factory.mktemp("tokens")))


def test_tokens_are_read_from_the_library(tmp_path: Path) -> None:
    tokens = load_tokens(tmp_path)
    assert tokens.single[:4] == ["", "xmlstreamstart", "xmlstreamend", "s.whatsapp.net"]
    assert [len(words) for words in (tokens.single, *tokens.double)] == [236, 256, 256, 256, 256]
    assert load_tokens(tmp_path) == tokens  # this time from the cache


def test_stanza_round_trip(codec: Codec) -> None:
    stanza = node(
        "message",
        {
            "id": "3EB0C767D097B7C7C030",
            "t": 1_700_000_000,
            "odd": "12345",
            "to": JID("100000000000007", "lid"),
            "participant": JID("5511999990001", "s.whatsapp.net", 12),
            "free": "Olá, não é um token",
        },
        node("enc", {"v": "2", "type": "pkmsg"}, data=bytes(range(256)) * 300),
        *(node("to") for _ in range(300)),
    )
    assert codec.decode(codec.encode(stanza)) == stanza


def test_a_compressed_stanza_is_read(codec: Codec) -> None:
    stanza = Node("iq", {"id": "1.2-3"})
    plain = codec.encode(stanza)
    assert codec.decode(b"\x02" + zlib.compress(plain[1:])) == stanza


@pytest.mark.parametrize("frame", [b"\0", b"\0\xf8", b"\0\xf8\x02\xfc\xff", b"\0\xf8\x01\xf4"])
def test_garbage_is_no_stanza(codec: Codec, frame: bytes) -> None:
    with pytest.raises(MalformedStanza):
        codec.decode(frame)


def test_a_signature_holds_for_its_key_and_message_alone() -> None:
    signer = KeyPair.generate()
    signature = signer.sign(b"pinned")
    assert verify(signer.public, b"pinned", signature)
    assert not verify(signer.public, b"unpinned", signature)
    assert not verify(KeyPair.generate().public, b"pinned", signature)
    assert not verify(signer.public, b"pinned", signature[:-1] + b"\x7f")


def test_participant_hash_does_not_depend_on_order() -> None:
    devices = [JID("1", "lid"), JID("1", "lid", 2), JID("2", "lid")]
    assert phash(devices) == phash(reversed(devices))
    assert phash(devices) != phash(devices[:2])
    assert phash(devices).startswith("2:")


@pytest.mark.parametrize("text", ["5511999990001@s.whatsapp.net", "100:3@lid", "s.whatsapp.net", "120363@g.us"])
def test_jid_text(text: str) -> None:
    assert str(parse_jid(text)) == text
