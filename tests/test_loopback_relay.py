"""What the server refuses to relay: stanzas no real client sends, put to it directly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.loopback import Account, LoopbackServer
from tests.loopback.jid import JID, parse_jid
from tests.loopback.node import Attrs, Node, node
from tests.loopback.relay import MALFORMED, NOT_ALLOWED, NOT_FOUND, Refused

if TYPE_CHECKING:
    from tests.loopback.fixtures import MakeAccount

pytest_plugins = ["tests.loopback.fixtures"]
pytestmark = pytest.mark.sqlite_only


@pytest.fixture(scope="module")
def bob(make_account: MakeAccount) -> Account:
    return make_account("Bob")


@pytest.fixture(scope="module")
def ana(make_account: MakeAccount) -> Account:
    return make_account("Ana")


@pytest.fixture(scope="module")
def eve(make_account: MakeAccount) -> Account:
    return make_account("Eve")


@pytest.fixture(scope="module")
def group(wa: LoopbackServer, ana: Account, bob: Account) -> JID:
    request = node("create", {"subject": "Team"}, node("participant", {"jid": ana.state.lid}))
    return wa.call(lambda: wa.core.groups.create(bob.state, request)).jid


def enc(kind: str = "msg", version: str = "2") -> Node:
    return node("enc", {"v": version, "type": kind}, data=b"secret")


def message(to: JID | str, *content: Node, **attrs: str) -> Node:
    all_attrs: Attrs = {"id": "3EB0", "type": "text", "to": to, **attrs}
    return node("message", all_attrs, *content)


def encrypted_for(*devices: JID, one: Node | None = None) -> Node:
    return node("participants", None, *(node("to", {"jid": device}, one or enc()) for device in devices))


def refused(wa: LoopbackServer, sender: Account, stanza: Node) -> int:
    """The code the stanza is refused with, 0 when it is accepted."""

    def check() -> int:
        try:
            wa.core.relay._check(sender.state.devices[0], stanza)
        except Refused as refusal:
            return refusal.code
        return 0

    return wa.call(check)


def test_a_good_message_is_not(wa: LoopbackServer, ana: Account, bob: Account) -> None:
    assert refused(wa, bob, message(ana.state.lid, encrypted_for(ana.state.lid))) == 0


def test_a_recipient_written_as_text(wa: LoopbackServer, ana: Account, bob: Account) -> None:
    assert refused(wa, bob, message(ana.lid, encrypted_for(ana.state.lid))) == MALFORMED


def test_encrypted_for_nobody(wa: LoopbackServer, ana: Account, bob: Account) -> None:
    assert refused(wa, bob, message(ana.state.lid)) == MALFORMED


def test_encrypted_for_somebody_else(wa: LoopbackServer, ana: Account, bob: Account, eve: Account) -> None:
    assert refused(wa, bob, message(ana.state.lid, encrypted_for(ana.state.lid, eve.state.lid))) == MALFORMED


def test_encrypted_for_a_device_that_never_was(wa: LoopbackServer, ana: Account, bob: Account) -> None:
    assert refused(wa, bob, message(ana.state.lid, encrypted_for(ana.state.lid.with_device(7)))) == MALFORMED


def test_an_unknown_version(wa: LoopbackServer, ana: Account, bob: Account) -> None:
    stanza = message(ana.state.lid, encrypted_for(ana.state.lid, one=enc(version="1")))
    assert refused(wa, bob, stanza) == MALFORMED


def test_a_first_message_without_device_identity(wa: LoopbackServer, ana: Account, bob: Account) -> None:
    stanza = message(ana.state.lid, encrypted_for(ana.state.lid, one=enc("pkmsg")))
    assert refused(wa, bob, stanza) == MALFORMED


def test_nobody_of_that_number(wa: LoopbackServer, ana: Account, bob: Account) -> None:
    stanza = message(parse_jid("4915100000000@s.whatsapp.net"), encrypted_for(ana.state.lid))
    assert refused(wa, bob, stanza) == NOT_FOUND


def test_a_peer_message_to_another_account(wa: LoopbackServer, ana: Account, bob: Account) -> None:
    assert refused(wa, bob, message(ana.state.pn, enc(), category="peer")) == MALFORMED


def test_a_group_message(wa: LoopbackServer, bob: Account, group: JID) -> None:
    assert refused(wa, bob, message(group, enc("skmsg"), phash="2:abc")) == 0


def test_a_group_message_without_phash(wa: LoopbackServer, bob: Account, group: JID) -> None:
    assert refused(wa, bob, message(group, enc("skmsg"))) == MALFORMED


def test_a_group_message_without_sender_key(wa: LoopbackServer, bob: Account, group: JID) -> None:
    assert refused(wa, bob, message(group, enc("msg"), phash="2:abc")) == MALFORMED


def test_a_group_of_others(wa: LoopbackServer, eve: Account, group: JID) -> None:
    assert refused(wa, eve, message(group, enc("skmsg"), phash="2:abc")) == NOT_ALLOWED


def test_no_such_group(wa: LoopbackServer, bob: Account) -> None:
    assert refused(wa, bob, message(parse_jid("1@g.us"), enc("skmsg"), phash="2:abc")) == NOT_FOUND
