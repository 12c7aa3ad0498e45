"""Events of the whole portal, from WhatsApp to a webhook's receiver and to a WebSocket: the same, with the same ids."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.e2e.scene import Scene, wait
from tests.loopback import Actor
from tests.receiver import Receiver, receiver

pytestmark = pytest.mark.slow

Events = list[dict[str, Any]]


@pytest.fixture(scope="module")
def there() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture(scope="module")
def webhook(scene: Scene, there: Receiver) -> Iterator[dict[str, Any]]:
    """A webhook for everything, removed at the end."""
    kinds = ["message.exchange", "message.status", "message.pin", "instance.state", "group.flow"]
    status, answer = scene.portal.post("/api/webhook/add/shop", {"url": there.url("/ok"), "events": kinds}, scene.token)
    assert status == 200, answer
    made: dict[str, Any] = answer["webhook"]  # type: ignore[index]
    yield made
    scene.portal.call("DELETE", f"/api/webhook/delete/shop?id={made['id']}", {}, scene.token)


def address(scene: Scene, path: str = "shop") -> str:
    return f"ws://127.0.0.1:{scene.portal.port}/ws/{path}"


@contextmanager
def open_socket(scene: Scene, **more: Any) -> Iterator[ClientConnection]:
    more.setdefault("additional_headers", {"token": scene.token})
    with connect(address(scene), **more) as socket:
        yield socket


def read(socket: ClientConnection, until: Callable[[dict[str, Any]], bool], seconds: float = 60) -> Events:
    """What comes, up to the event that was waited for."""
    found: Events = []
    limit = time.monotonic() + seconds
    while True:
        found.append(json.loads(socket.recv(timeout=max(limit - time.monotonic(), 0.01))))
        if until(found[-1]):
            return found


def at(there: Receiver, *path: str, **wanted: Any) -> Events:
    """The webhook's events of these values in `data`."""
    events = [request.event for request in there.at("/ok")]
    return [event for event in events if wanted.items() <= event["data"].items()]


def test_it_works(scene: Scene, bob: Actor, there: Receiver, webhook: dict[str, Any]) -> None:
    with open_socket(scene) as socket:
        message_id = bob.send_text(scene.ana.jid, "tell everybody")
        (*_, arrived) = read(socket, lambda event: event["data"].get("messageId") == message_id)
        assert (arrived["event"], arrived["instance"]) == ("message.exchange", "shop")
        assert arrived["data"]["text"] == "tell everybody"
        assert arrived["data"]["senderJid"] == bob.jid
        # Was red: the time was that of whoever told it.
        assert wait(lambda: at(there, messageId=message_id, type="text"))[0] == arrived

        assert scene.pin(message_id, "7d")[0] == 200
        pins = read(socket, lambda event: event["data"].get("change") == "acknowledged")
        pins = [event for event in pins if event["event"] == "message.pin"]
        assert [(event["data"]["change"], event["data"]["state"]) for event in pins] == [
            ("asked", "requested"), ("acknowledged", "pinned"),
        ]  # fmt: skip
        assert pins[1]["data"]["duration"] == 604_800
        assert pins[1]["data"]["expiresAt"] is not None
        told = wait(lambda: len(found := at(there, messageId=message_id, fromMe=False, pinning=True)) == 2 and found)
        assert told == pins, "a webhook gets the very same"


def test_what_others_do(scene: Scene, bob: Actor, there: Receiver, webhook: dict[str, Any], group: str) -> None:
    message_id = bob.send_text(scene.ana.jid, "others pin too")
    scene.stored(message_id)
    bob.pin(scene.ana.jid, message_id, 86_400, from_me=True)
    (event,) = wait(lambda: at(there, messageId=message_id, change="seen"))
    assert (event["data"]["state"], event["data"]["by"]) == ("pinned", bob.jid)
    bob.set_subject(group, "Told")
    try:
        wait(lambda: [e for e in at(there, chatJid=group, by=bob.jid) if e["data"].get("change") == {"name": "Told"}])
    finally:
        # The other tests of this folder have the same group.
        bob.set_subject(group, "Sales")


def test_receipts(scene: Scene, bob: Actor, there: Receiver, webhook: dict[str, Any]) -> None:
    bob.active_receipts()
    status, answer = scene.portal.post(
        "/api/message/sendText/shop", {"number": bob.account.phone, "text": "there?"}, scene.token
    )
    assert status == 200
    message_id = answer["message_id"]  # type: ignore[index]
    found = wait(lambda: at(there, messageIds=[message_id], status="delivered"))
    assert (found[0]["event"], found[0]["data"]["chatJid"]) == ("message.status", bob.jid)
    assert abs(time.time() - datetime.fromisoformat(found[0]["data"]["at"]).timestamp()) < 60
    with open_socket(scene) as socket:
        bob.mark_read([message_id], scene.ana.lid, scene.ana.lid)
        (*_, told) = read(socket, lambda event: event["data"].get("messageIds") == [message_id])
    assert (told["event"], told["data"]["status"]) == ("message.status", "read")
    assert (told["data"]["chatJid"], told["data"]["by"]) == (bob.jid, found[0]["data"]["by"])
    assert wait(lambda: at(there, messageIds=[message_id], status="read")) == [told], "a webhook gets the very same"


def test_the_state(scene: Scene, there: Receiver, webhook: dict[str, Any]) -> None:
    with open_socket(scene) as socket:
        scene.ana.drop(1)
        states = read(socket, lambda event: event["data"].get("state") == "connected")
    assert states[-1]["event"] == "instance.state"
    wait(lambda: at(there, state="connected"))


def test_a_test_event(scene: Scene, there: Receiver, webhook: dict[str, Any]) -> None:
    status, answer = scene.portal.post("/api/webhook/test/shop", {"id": webhook["id"]}, scene.token)
    assert status == 200
    assert answer["delivery"]["attempts"][0]["status"] == 200  # type: ignore[index]
    assert wait(lambda: at(there, message="It works."))[0]["event"] == "webhook.test"


def test_a_token_may_come_in_other_ways(scene: Scene, bob: Actor) -> None:
    def hears(socket: ClientConnection) -> None:
        message_id = bob.send_text(scene.ana.jid, "hear me")
        read(socket, lambda event: event["data"].get("messageId") == message_id)

    with connect(address(scene, f"shop?token={scene.token}")) as socket:
        hears(socket)
    with connect(address(scene), subprotocols=["portal.events", f"token.{scene.token}"]) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "portal.events"
        hears(socket)
    with connect(address(scene)) as socket:
        socket.send(json.dumps({"token": scene.token}))
        time.sleep(3)  # Nothing says when a first message was taken.
        hears(socket)


def test_only_what_was_chosen(scene: Scene, bob: Actor) -> None:
    headers = {"token": scene.token}
    with connect(address(scene, "shop?events=message.pin"), additional_headers=headers) as socket:
        message_id = bob.send_text(scene.ana.jid, "not told")
        scene.stored(message_id)
        scene.pin(message_id, "24h")
        assert read(socket, lambda _: True)[0]["event"] == "message.pin"


def refused(scene: Scene, path: str, **headers: str) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as caught, connect(address(scene, path), additional_headers=headers):
        pass
    response = caught.value.response
    return response.status_code, json.loads(response.body or b"{}")["error"]["message"]


def test_who_may_not(scene: Scene) -> None:
    stranger = scene.command("createtoken", "--scope", "pin", "--instance", "shop").split()[-1]
    account = scene.command("createtoken").split()[-1]
    mine = scene.token
    assert refused(scene, "shop", token="wap_nonsense") == (401, "Invalid token")
    assert refused(scene, "shop?token=wap_nonsense") == (401, "Invalid token")
    assert refused(scene, "other", token=mine)[0] == 403
    assert refused(scene, "", token=mine) == (400, "Instance name is required")
    assert refused(scene, "shop", token=stranger) == (403, "This token may only pin: use a token with the scope full")
    assert refused(scene, "shop", token=mine, Origin="https://evil.example")[0] == 403
    assert refused(scene, "shop?events=nothing", token=mine)[0] == 400
    origin = f"http://127.0.0.1:{scene.portal.port}"
    with connect(address(scene), additional_headers={"token": mine, "Origin": origin}) as socket:
        assert socket.response is not None
        assert len(socket.response.headers["X-Request-ID"]) == 32
    for path, secret, code in (
        ("shop", "wap_nonsense", 4401),
        ("shop", stranger, 4403),
        ("other", mine, 4403),
        ("other", account, 4404),
    ):
        with connect(address(scene, path)) as socket:
            socket.send(json.dumps({"token": secret}))
            with pytest.raises(ConnectionClosed) as caught:
                socket.recv(timeout=60)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == code
        assert caught.value.rcvd.reason


def test_a_token_that_was_revoked(scene: Scene) -> None:
    secret = scene.command("createtoken", "--instance", "shop").split()[-1]
    with connect(address(scene), additional_headers={"token": secret}) as socket:
        revoke = f"from instances import tokens; tokens.revoke(tokens.find({secret!r}))"
        scene.command("shell", "--no-imports", "-c", revoke)
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(timeout=60)
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4401, "Invalid token")


def test_a_portal_that_stops_says_so(scene: Scene) -> None:
    """The web process is started again by itself."""
    with open_socket(scene) as socket:
        os.kill(scene.portal.pids()["web"], signal.SIGTERM)
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=60)
    wait(lambda: scene.portal.get("/healthz")[0] == 200)
