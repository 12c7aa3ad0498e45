"""An instance's whole life over HTTP alone: made, linked, pinning, logged out, deleted."""

# ruff: noqa: F811

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e import qr_in_terminal
from tests.e2e.database import portal_database
from tests.e2e.own import bob, wa  # noqa: F401
from tests.e2e.scene import Scene, read_until, wait
from tests.loopback import Account, Actor, LoopbackServer, PairingRefused

pytestmark = pytest.mark.slow


class House:
    """A portal with nothing in it, and the token of its account."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.account = re.search(r"wap_\S+", scene.command("createtoken"))[0]  # type: ignore[index]

    def call(self, method: str, path: str, body: object = None, token: str = "") -> Any:
        status, answer = self.scene.portal.call(method, f"/api/{path}", body or {}, token or self.account)
        assert status == 200, answer
        return answer

    def make(self, name: str) -> str:
        """A new instance's token."""
        return str(self.call("POST", "instance/new", {"name": name})["instance"]["token"])

    def state(self, name: str) -> str:
        return str(self.call("GET", f"instance/list?instanceName={name}")["instances"][0]["state"])

    def await_state(self, name: str, state: str) -> None:
        wait(lambda: self.state(name) == state, what=f"{name} {state}")


@pytest.fixture(scope="module")
def house(wa: LoopbackServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("instances")
    with portal_database(folder / "data") as database:
        scene = Scene(wa, folder, database)
        try:
            yield House(scene)
        finally:
            scene.portal.stop()


@pytest.fixture(scope="module")
def dora(house: House, wa: LoopbackServer) -> Account:
    return wa.account("Dora", phone="5511999990011")


def keys(house: House) -> list[str]:
    return [path.name for path in (house.scene.folder / "data" / "sessions").glob("*.sqlite3*")]


def test_it_works(house: House, wa: LoopbackServer, dora: Account, bob: Actor) -> None:
    token = house.make("sales")
    # Right after it was made: no connector may have it yet.
    code = house.call("GET", "instance/connect/sales", token=token)
    assert (code["status"], code["state"]) == ("qr", "linking")
    dora.scan(code["qrCode"])
    house.await_state("sales", "connected")
    shown = house.call("GET", "instance/list", token=token)["instances"]
    assert [(one["instanceName"], one["numberJid"]) for one in shown] == [("sales", dora.jid)]
    assert house.call("GET", "instance/connect/sales")["status"] == "linked"

    message_id = bob.send_text(dora.jid, "pin me")
    house.scene.stored(message_id)
    pinned = house.call(
        "POST", "chat/pinMessage/sales", {"pin": True, "messageId": message_id, "duration": "24h"}, token
    )
    assert pinned["pinned"] is True

    house.call("POST", "instance/logout/sales", token=token)
    assert house.state("sales") == "unlinked"
    assert dora.devices() == [], "the phone knows"
    assert keys(house) == []
    assert house.scene.stored(message_id) == ("pin me",), "messages stay"


def test_a_pairing_code_and_deletion_while_connected(house: House, dora: Account) -> None:
    token = house.make("support")
    code = house.call("GET", f"instance/connect/support?number={dora.phone}", token=token)["pairingCode"]
    dora.enter_code(code)
    house.await_state("support", "connected")
    assert len(dora.devices()) == 1
    house.call("DELETE", "instance/delete/support", token=token)
    assert dora.devices() == []
    assert keys(house) == []
    status, answer = house.scene.portal.call("GET", "/api/instance/list", {}, token)
    assert (status, answer["error"]["message"]) == (401, "Invalid token")
    # Its name is free again, and the new one is another instance.
    assert house.make("support") != token
    house.call("DELETE", "instance/delete/support")


@pytest.mark.parametrize("by_code", [False, True])
def test_an_account_that_a_passkey_protects(house: House, wa: LoopbackServer, by_code: bool) -> None:
    """WhatsApp asks for it since July 2026 (of more accounts each month), and neonize has no way to answer."""
    scene, gus = house.scene, wa.account("Gus", phone=f"551199999002{by_code:d}")
    gus.protect_by_passkey()
    name = f"protected {by_code}"
    scene.command("createinstance", name)
    pairing = scene.begin_command("pair", name, *(("--phone", f"+{gus.phone}") if by_code else ()))
    if by_code:
        with pytest.raises(PairingRefused):
            gus.enter_code(read_until(pairing, r"\b([0-9A-Z]{4}-[0-9A-Z]{4})\b"))
    else:
        with pytest.raises(PairingRefused):
            gus.scan(qr_in_terminal.from_output(pairing))
    said, _ = pairing.communicate(timeout=90)
    assert pairing.returncode == 1
    assert "WhatsApp asks for this account's passkey" in said
    (shown,) = house.call("GET", f"instance/list?instanceName={quote(name)}")["instances"]
    assert shown["state"] == "unlinked"
    assert "the account cannot be linked for now" in shown["sentence"]
