"""The web process as it really runs, where the way from the socket to the view matters."""

import http.client
import json
import os
import threading
import time
from collections.abc import Iterator

import pytest

from tests.e2e.scene import Scene, pins_of, wait
from tests.loopback import Actor

pytestmark = pytest.mark.slow

PATH = "/api/chat/pinMessage/shop"


def post(scene: Scene, body: bytes | Iterator[bytes]) -> tuple[int, str]:
    """Status and error sentence; an iterator is sent in chunks, without a length."""
    connection = http.client.HTTPConnection("127.0.0.1", scene.portal.port, timeout=60)
    try:
        connection.request("POST", PATH, body, {"token": scene.token}, encode_chunked=not isinstance(body, bytes))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())["error"]["message"]
    finally:
        connection.close()


def test_it_works(scene: Scene) -> None:
    assert post(scene, b"{}") == (400, "Invalid request body: pin is required: true pins, false unpins")


def test_a_body_that_is_too_long(scene: Scene) -> None:
    status, message = post(scene, b" " * (2 * 1024 * 1024))
    assert status == 400
    assert message.startswith("Invalid request body: ")
    assert "1 MiB" in message


def test_a_long_body_without_a_length(scene: Scene) -> None:
    status, message = post(scene, (b" " * 65_536 for _ in range(64)))
    assert status == 400
    assert "1 MiB" in message


def test_a_body_in_chunks(scene: Scene) -> None:
    assert post(scene, iter([b'{"pin": true, ', b'"messageId": ""}'])) == (400, "messageId is required")


def test_many_callers_at_once(scene: Scene) -> None:
    """More than there are threads: they wait for their turn."""
    answers: list[int] = []

    def call() -> None:
        answers.append(scene.portal.get("/healthz")[0])

    callers = [threading.Thread(target=call) for _ in range(150)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert answers == [200] * 150


@pytest.mark.sqlite_only
def test_streams_that_have_ended_leave_nothing_open(scene: Scene) -> None:
    """Each page opens one; a process may hold a thousand files."""
    browser, web = scene.portal.signed_in(), scene.portal.pids()["web"]

    def stream() -> None:
        with browser.open(f"{scene.portal.url}/live/", timeout=30) as answer:
            assert answer.readline()

    def files() -> int:
        return len(os.listdir(f"/proc/{web}/fd"))

    for _ in range(8):
        stream()
    before = files()
    for _ in range(30):
        stream()
    wait(lambda: files() <= before + 4, what=f"{before} open files again, not {files()}")


def test_while_whatsapp_is_silent_nobody_else_is(scene: Scene, bob: Actor) -> None:
    """Each caller who waits for it holds a thread. Who gets none hears so at once, and nothing was done for them."""
    many, threads = 90, 64
    ids = bob.send_many(scene.ana.jid, many, "while it is silent ")["ids"]
    scene.stored(ids[-1], seconds=60)
    scene.wa.acks.late(scene.ana, 3.5, edit="2")
    answers: dict[str, int] = {}
    early: dict[str, int] = {}
    began = time.monotonic()

    def pin(message_id: str) -> None:
        answers[message_id] = scene.pin(message_id, "7d")[0]
        if time.monotonic() - began < 3.5:
            early[message_id] = answers[message_id]

    callers = [threading.Thread(target=pin, args=(message_id,)) for message_id in ids]
    for caller in callers:
        caller.start()
    try:
        time.sleep(1)
        # A slow machine may have refused so many that there is room.
        assert scene.portal.call("GET", "/api/instance/list", None, scene.token)[0] in (200, 503)
        assert scene.portal.get("/healthz")[0] == 200
    finally:
        for caller in callers:
            caller.join()
        scene.wa.acks.normal(scene.ana)
    # By when each was answered: on a slow machine the acknowledgement may have come by the time we look.
    assert set(early.values()) <= {503}, "none of those who wait was answered before"
    assert set(answers.values()) <= {200, 503, 504}
    assert list(answers.values()).count(503) >= many - threads
    for message_id, status in answers.items():
        if status == 200:
            wait(lambda one=message_id: pins_of(bob, one), what=f"the pin of {message_id}")  # type: ignore[misc]
    assert [one for one, status in answers.items() if status == 503 and pins_of(bob, one)] == []
