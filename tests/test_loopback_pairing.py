"""Linking real clients: by QR, by code, and everything that must not work."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING

import pytest

from tests.loopback import LoopbackServer
from tests.loopback.pairing import PairingRefused
from tests.loopback.server import ROOT_VARIABLE

if TYPE_CHECKING:
    from tests.loopback.fixtures import MakeAccount, MakeActor

pytest_plugins = ["tests.loopback.fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.sqlite_only]


def test_pairing_by_qr(make_actor: MakeActor) -> None:
    bob = make_actor("Bob")
    assert bob.account.devices() == [bob.device] == [1]
    status = bob.wait_event("pair_status")
    assert (status["Status"], status["ID"]["User"]) == ("SUCCESS", bob.account.phone)


def test_pairing_by_code(make_actor: MakeActor) -> None:
    bob = make_actor("Bob", link="code")
    assert bob.account.devices() == [bob.device]


def test_a_wrong_code_links_nothing(make_actor: MakeActor) -> None:
    bob = make_actor("Bob", link="code", start=False).start(wait=False)
    code = bob.code()
    wrong = code[:-1] + ("1" if code[-1] != "1" else "2")
    with pytest.raises(PairingRefused, match="wrong code"):
        bob.account.enter_code(wrong)
    assert bob.account.devices() == []


def test_a_code_nobody_waits_for(make_account: MakeAccount) -> None:
    with pytest.raises(PairingRefused, match="no device"):
        make_account("Bob").enter_code("ABCD-EFGH")


def test_resume_without_a_new_qr(make_actor: MakeActor) -> None:
    bob = make_actor("Bob")
    bob.stop()
    began = bob.mark()
    bob.start()
    assert "qr" not in [name for name, _ in bob.events[began:]]


def test_the_phone_itself_can_be_a_client(make_actor: MakeActor) -> None:
    phone = make_actor("Bob", primary=True)
    companion = make_actor(phone.account)
    assert phone.account.devices() == [0, 1]
    eve = make_actor("Eve")
    sent = phone.send_text(eve.jid, "from the phone")
    assert eve.wait_text("from the phone")["sender"] == phone.lid
    copy = companion.wait_text("from the phone")
    assert (copy["id"], copy["from_me"], copy["chat"], copy["recipient_alt"]) == (sent, True, eve.lid, eve.jid)
    # The phone's identity key is the one that vouches, so a companion need not change its mind about it.
    assert companion.seen("identity_change") == []


def test_a_qr_of_something_else(make_account: MakeAccount) -> None:
    with pytest.raises(PairingRefused, match="no WhatsApp QR code"):
        make_account("Bob").scan("https://example.org")


def test_each_qr_is_good_once(make_actor: MakeActor, make_account: MakeAccount) -> None:
    bob = make_actor("Bob")
    with pytest.raises(PairingRefused, match="expired"):
        make_account("Eve").scan(bob.qr())


def test_qr_expires_and_the_client_gives_up(wa: LoopbackServer, make_actor: MakeActor) -> None:
    wa.qr(count=2, first=0.3, others=0.3)
    try:
        bob = make_actor("Bob", link="", start=False).start(wait=False)
        qr = bob.qr()
    finally:
        wa.qr()
    time.sleep(0.4)
    with pytest.raises(PairingRefused, match="expired"):
        bob.account.scan(qr)
    # The server closes once the last one is over. The client does not come back by itself: connect() goes on blocking.
    time.sleep(1)
    assert bob.seen("ended") == []
    assert len(bob.seen("qr")) == 1


def test_a_qr_with_another_secret_is_refused_by_the_client(make_actor: MakeActor) -> None:
    bob = make_actor("Bob", link="", start=False).start(wait=False)
    parts = bob.qr().split(",")
    parts[3] = base64.b64encode(bytes(32)).decode()
    with pytest.raises(PairingRefused, match="401 hmac-mismatch"):
        bob.account.scan(",".join(parts))


def test_a_qr_with_another_identity_is_refused(make_actor: MakeActor) -> None:
    bob = make_actor("Bob", link="", start=False).start(wait=False)
    parts = bob.qr().split(",")
    parts[2] = base64.b64encode(bytes(32)).decode()
    with pytest.raises(PairingRefused, match="other keys"):
        bob.account.scan(",".join(parts))


def test_without_the_injected_root_the_client_trusts_nobody(wa: LoopbackServer, make_actor: MakeActor) -> None:
    env = {name: value for name, value in wa.env().items() if name != ROOT_VARIABLE}
    bob = make_actor("Bob", link="", env=env, start=False).start(wait=False)
    assert "noise handshake failed" in bob.wait_event("ended")["error"]
    assert bob.seen("qr") == []


def test_a_login_with_another_noise_key_is_refused(make_actor: MakeActor) -> None:
    bob = make_actor("Bob")
    bob.ask("sql", statement="UPDATE whatsmeow_device SET noise_key = randomblob(32)")
    bob.stop()
    bob.start(wait=False)
    assert bob.wait_event("logged_out") == {"OnConnect": True, "Reason": "LOGGED_OUT"}


def test_logging_out_removes_the_device(make_actor: MakeActor) -> None:
    bob = make_actor("Bob")
    bob.ask("logout")
    assert bob.account.devices() == []
