"""Texts sent over HTTP are decrypted by the contact's own client, stored, found and pinnable."""

import threading
from typing import Any

import pytest

from tests.e2e.scene import Record, Scene, wait
from tests.e2e.test_pin import check_pin, seen_by
from tests.loopback import Actor, LoopbackServer

pytestmark = pytest.mark.slow


def send(scene: Scene, number: str, text: str, **more: Any) -> tuple[int, Any]:
    return scene.portal.call(
        "POST", "/api/message/sendText/shop", {"number": number, "text": text, **more}, scene.token
    )


def heard(actor: Actor, message_id: str) -> Record:
    """A message as the actor's client decrypted it."""
    found: list[Record] = wait(
        lambda: [event for event in actor.received() if event["id"] == message_id], what=f"message {message_id}"
    )
    assert len(found) == 1
    return found[0]


def test_it_works(scene: Scene, bob: Actor) -> None:
    scene.stored(bob.send_text(scene.ana.jid, "When do you open?"))
    status, answer = send(scene, bob.account.phone, "At nine.")
    assert status == 200, answer
    message_id = answer["message_id"]
    assert answer["chat_jid"] == bob.jid
    assert heard(bob, message_id)["message"]["conversation"] == "At nine."
    row = scene.stored(message_id, "text", "from_me", "sender", "wire_chat", "kind")
    assert row == ("At nine.", 1, scene.ana.jid, bob.lid, "text")
    # It is found, it stands in the history, and it can be pinned.
    path = "/api/chat/search/shop?q=nine+is:mine"
    found = scene.portal.call("GET", path, {}, scene.token)[1]["messages"]
    assert [one["messageId"] for one in found] == [message_id]
    history = scene.portal.call("POST", "/api/chat/history/shop", {"number": bob.jid, "count": 1}, scene.token)[1]
    assert [one["messageId"] for one in history["messages"]] == [message_id]
    assert scene.pin(message_id, "24h")[0] == 200
    check_pin(seen_by(bob, message_id, 1), "24h", remoteJID=bob.lid, fromMe=True, ID=message_id)


def test_a_reply(scene: Scene, bob: Actor) -> None:
    asked = bob.send_text(scene.ana.jid, "And on Sundays?")
    scene.stored(asked)
    status, answer = send(scene, bob.jid, "Closed.", quotedId=asked)
    assert (status, answer["quoted_id"]) == (200, asked)
    said = heard(bob, answer["message_id"])["message"]["extendedTextMessage"]
    assert said["text"] == "Closed."
    assert said["contextInfo"]["stanzaID"] == asked
    assert said["contextInfo"]["participant"] == bob.lid
    assert said["contextInfo"]["quotedMessage"]["conversation"] == "And on Sundays?"
    assert scene.stored(answer["message_id"], "quoted_id") == (asked,)


def test_to_a_group_and_pinned_there(scene: Scene, bob: Actor, carla: Actor, group: str) -> None:
    scene.stored(bob.send_text(group, "anybody there?"))
    status, answer = send(scene, group, "We are.")
    assert (status, answer["chat_jid"]) == (200, group)
    message_id = answer["message_id"]
    for actor in (bob, carla):
        assert heard(actor, message_id)["message"]["conversation"] == "We are."
    assert scene.pin(message_id, "7d")[0] == 200
    seen = seen_by(carla, message_id, 1)
    check_pin(seen, "7d", remoteJID=group, fromMe=True, ID=message_id, participant=scene.ana.lid)


def test_to_somebody_new(scene: Scene, wa: LoopbackServer, tmp_path: Any) -> None:
    with Actor(wa, wa.account("Eva", phone="5511999990021"), tmp_path) as eva:
        status, answer = send(scene, "+55 11 99999-0021", "Welcome, Eva")
        assert (status, answer["chat_jid"]) == (200, eva.jid)
        assert heard(eva, answer["message_id"])["message"]["conversation"] == "Welcome, Eva"
        reply = eva.send_text(scene.ana.jid, "thank you")
        scene.stored(reply)
        chats = scene.database.rows(
            "SELECT DISTINCT chat_id FROM chats_message WHERE message_id IN (?, ?)", reply, answer["message_id"]
        )
        assert len(chats) == 1, "what she answers stands in the same chat"


def test_to_nobody(scene: Scene) -> None:
    status, answer = send(scene, "5511000000000", "Hello?")
    assert (status, answer["error"]["message"]) == (400, "Number is not on WhatsApp")


def test_no_acknowledgement_in_time(scene: Scene, bob: Actor) -> None:
    scene.wa.acks.late(scene.ana, 6)
    status, answer = send(scene, bob.jid, "the ack comes late")
    assert (status, answer["error"]["message"]) == (504, "WhatsApp did not confirm in time")
    stored = "SELECT COUNT(*) FROM chats_message WHERE text = ?"
    wait(lambda: scene.database.one(stored, "the ack comes late") == 1, what="the late acknowledgement")


def test_a_refusal_by_whatsapp(scene: Scene, bob: Actor) -> None:
    scene.wa.acks.negative(scene.ana, code=479)
    status, answer = send(scene, bob.jid, "said no to")
    assert (status, answer["error"]["message"]) == (502, "WhatsApp refused the message: error 479")
    assert scene.database.one("SELECT COUNT(*) FROM chats_message WHERE text = ?", "said no to") == 0


def test_texts_and_pins_take_turns(scene: Scene, bob: Actor) -> None:
    message_id = bob.send_text(scene.ana.jid, "pinned among texts")
    scene.stored(message_id)
    answers: list[tuple[int, Any]] = []

    def write(number: int) -> None:
        answers.append(send(scene, bob.jid, f"turn {number}"))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    threads.insert(3, threading.Thread(target=lambda: answers.append(scene.pin(message_id, "7d"))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status for status, _ in answers] == [200] * 7
