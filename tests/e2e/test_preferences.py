"""What an instance does by itself, on the wire: set over HTTP, applied to the connection that is up."""

# ruff: noqa: F811

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.own import wa  # noqa: F401
from tests.e2e.scene import Scene, open_scene, wait
from tests.loopback import Actor, LoopbackServer
from tests.loopback.hop import PASSWORD, USER, Hop

pytestmark = pytest.mark.slow

ADDRESS = "s3cret%3A%2F%40word"


@pytest.fixture(scope="module")
def scene(wa: LoopbackServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with open_scene(wa, tmp_path_factory.mktemp("preferences"), linked=False) as made:
        yield made


@pytest.fixture(scope="module")
def phone(wa: LoopbackServer, scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Actor]:
    """Ana's phone is a real client here: only a phone shares the key to the account's name. It links the portal."""
    with Actor(wa, scene.ana, tmp_path_factory.mktemp("phone"), primary=True) as actor:
        scene.link()
        yield actor


@pytest.fixture(scope="module")
def bob(wa: LoopbackServer, phone: Actor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Actor]:
    with Actor(wa, wa.account("Bob", phone="5511999990002"), tmp_path_factory.mktemp("bob")) as actor:
        yield actor


def change(scene: Scene, **settings: Any) -> Any:
    status, answer = scene.portal.call("POST", "/api/instance/settings/shop", settings, scene.token)
    assert (status, answer["applied"]) == (200, True), answer
    return answer


def ours(scene: Scene) -> int:
    """The number of the portal's device: the newest."""
    return max(scene.ana.devices())


def test_calls_are_rejected(scene: Scene, bob: Actor) -> None:
    rings_on = bob.account.call(scene.ana)
    wait(lambda: scene.ana.waiting(ours(scene)) == 0, what="the call's arrival")
    change(scene, rejectCalls=True)
    call = bob.account.call(scene.ana)
    wait(lambda: call in [one.call_id for one in scene.wa.rejected_calls], what="the rejection")
    rejected = [one for one in scene.wa.rejected_calls if one.call_id == call]
    assert [(one.by, one.to) for one in rejected] == [(scene.ana.jid, bob.lid)]
    change(scene, rejectCalls=False)
    assert rings_on not in [one.call_id for one in scene.wa.rejected_calls]


def test_groups_are_ignored(scene: Scene, bob: Actor) -> None:
    group = bob.create_group("Sales", [scene.ana.jid])
    scene.stored(bob.send_text(group, "heard"))
    change(scene, ignoreGroups=True)
    unheard = bob.send_text(group, "not heard")
    scene.stored(bob.send_text(scene.ana.jid, "a direct message after it"))
    assert scene.database.rows("SELECT 1 FROM chats_message WHERE message_id = ?", unheard) == []
    change(scene, ignoreGroups=False)
    scene.stored(bob.send_text(group, "heard again"))


def test_messages_are_marked_as_read(scene: Scene, bob: Actor) -> None:
    def read(message_id: str) -> bool:
        return any(one.id == message_id for one in scene.wa.receipts(sender=scene.ana.jid, type="read"))

    before = bob.send_text(scene.ana.jid, "nobody has looked")
    scene.stored(before)
    change(scene, readMessages=True)
    message_id = bob.send_text(scene.ana.jid, "seen")
    wait(lambda: read(message_id), what="the receipt")
    group = bob.create_group("Support", [scene.ana.jid])
    in_group = bob.send_text(group, "seen too")
    wait(lambda: read(in_group), what="the receipt in a group")
    change(scene, readMessages=False)
    assert not read(before)


def test_kept_online(scene: Scene, phone: Actor, tmp_path: Path) -> None:
    device = ours(scene)
    change(scene, keepOnline=True)
    time.sleep(0.5)
    # WhatsApp has not told the name yet, and takes no presence without one: it is tried again.
    assert not scene.ana.present(device)
    with Actor(scene.wa, scene.ana, tmp_path, label="companion") as companion:
        phone.wait_for_devices(3)
        phone.share_app_state_key()
        companion.wait_for(lambda message: "appStateSyncKeyShare" in message["message"].get("protocolMessage", {}))
        companion.set_push_name("Ana")
        wait(lambda: scene.ana.present(device), 90, "presence")
        number = companion.device
    assert number is not None
    scene.ana.unlink(number)
    scene.ana.drop(device)
    wait(lambda: scene.ana.connected(device) and scene.ana.present(device), 90, "presence once more")
    change(scene, keepOnline=False)
    wait(lambda: not scene.ana.present(device), what="absence")


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
def test_through_a_proxy(scene: Scene, bob: Actor, scheme: str) -> None:
    device = ours(scene)
    with Hop(scene.wa, scheme) as hop:
        host = "localhost" if scheme == "https" else "127.0.0.1"
        answer = change(scene, proxy=f"{scheme}://{USER}:{ADDRESS}@{host}:{hop.port}")
        assert answer["proxy"] == {"url": f"{scheme}://{USER}@{host}:{hop.port}", "hasPassword": True}
        wait(lambda: hop.passed and scene.instance("state") == "connected", what="the connection through the proxy")
        message_id = bob.send_text(scene.ana.jid, f"through {scheme}")
        scene.stored(message_id)
        assert scene.pin(message_id, "7d")[0] == 200
        assert ours(scene) == device, "no new code was needed"
        change(scene, proxy="")
    wait(lambda: scene.instance("state") == "connected", what="the connection without it")
    scene.stored(bob.send_text(scene.ana.jid, f"without {scheme}"))
    log = scene.portal.out + scene.portal.err
    assert PASSWORD not in log
    assert ADDRESS not in log


def test_a_proxy_that_refuses(scene: Scene, bob: Actor) -> None:
    with Hop(scene.wa, "http") as hop:
        change(scene, proxy=f"http://{USER}:wrong-word@127.0.0.1:{hop.port}")
        wait(lambda: hop.refused, what="the refusal")
        wait(lambda: scene.instance("state") == "disconnected", 90, "the state")
        assert "wrong-word" not in scene.instance("state_detail")
        change(scene, proxy=None)
    wait(lambda: scene.instance("state") == "connected", what="the connection without it")
    assert "wrong-word" not in scene.portal.out + scene.portal.err
