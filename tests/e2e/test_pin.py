"""The product's reason: a pin over HTTP is seen by the contact's own client, and nothing else counts as pinned."""

import threading
from typing import Any

import psutil
import pytest

from tests.e2e.scene import Record, Scene, pins_of, wait
from tests.loopback import Actor

pytestmark = pytest.mark.slow

SECONDS = {"24h": 86_400, "7d": 604_800, "30d": 2_592_000}


def seen_by(actor: Actor, message_id: str, number: int) -> Record:
    """The number-th pin or unpin of a message, as the actor's client decrypted it."""
    seen: list[Record] = wait(lambda: pins_of(actor, message_id)[number - 1 :], what=f"pin {number} of {message_id}")
    return seen[0]


def check_pin(seen: Record, duration: str | None, **key: Any) -> None:
    """What a phone needs to show a pin (wire.md): key, type, duration and the stanza's edit attribute."""
    content = seen["message"]["pinInChatMessage"]
    assert content["key"] == key
    assert content["type"] == ("PIN_FOR_ALL" if duration else "UNPIN_FOR_ALL")
    assert int(content["senderTimestampMS"]) > 1_700_000_000_000
    seconds = seen["message"].get("messageContextInfo", {}).get("messageAddOnDurationInSecs", 0)
    assert seconds == (SECONDS[duration] if duration else 0)
    assert seen["edit"] == "2", "without it phones ignore the pin"


@pytest.mark.parametrize("duration", ["24h", "7d", "30d"])
def test_it_works(scene: Scene, bob: Actor, duration: str) -> None:
    message_id = bob.send_text(scene.ana.jid, f"Rua das Flores 12, pin it for {duration}")
    scene.stored(message_id)
    assert scene.pin(message_id, duration) == (
        200,
        {
            "success": True,
            "message": "Message pinned successfully",
            "chat_jid": bob.jid,
            "message_id": message_id,
            "pinned": True,
            "duration": duration,
        },
    )
    check_pin(seen_by(bob, message_id, 1), duration, remoteJID=bob.lid, fromMe=False, ID=message_id)
    assert scene.pin_state(message_id) == "pinned"


def test_unpin(scene: Scene, bob: Actor) -> None:
    message_id = bob.send_text(scene.ana.jid, "pin and unpin")
    scene.stored(message_id)
    scene.pin(message_id, "7d")
    status, answer = scene.pin(message_id)
    assert (status, answer) == (
        200,
        {
            "success": True,
            "message": "Message unpinned successfully",
            "chat_jid": bob.jid,
            "message_id": message_id,
            "pinned": False,
        },
    )
    check_pin(seen_by(bob, message_id, 2), None, remoteJID=bob.lid, fromMe=False, ID=message_id)
    assert scene.pin_state(message_id) == "unpinned"


def test_own_message_from_the_phone(scene: Scene, bob: Actor, phone: Actor) -> None:
    message_id = phone.send_text(bob.jid, "written on Ana's phone")
    assert scene.stored(message_id, "from_me", "sender") == (1, scene.ana.jid)
    status, answer = scene.pin(message_id, "24h")
    assert (status, answer["chat_jid"]) == (200, bob.jid)
    check_pin(seen_by(bob, message_id, 1), "24h", remoteJID=bob.lid, fromMe=True, ID=message_id)


def test_a_contacts_message_in_a_group(scene: Scene, bob: Actor, carla: Actor, group: str) -> None:
    message_id = bob.send_text(group, "the address, for all")
    scene.stored(message_id)
    status, answer = scene.pin(message_id, "30d")
    assert (status, answer["chat_jid"]) == (200, group)
    for actor in (bob, carla):
        seen = seen_by(actor, message_id, 1)
        check_pin(seen, "30d", remoteJID=group, fromMe=False, ID=message_id, participant=bob.lid)
    scene.pin(message_id)
    check_pin(seen_by(carla, message_id, 2), None, remoteJID=group, fromMe=False, ID=message_id, participant=bob.lid)


def test_an_own_message_in_a_group(scene: Scene, carla: Actor, phone: Actor, group: str) -> None:
    message_id = phone.send_text(group, "Ana to all")
    scene.stored(message_id)
    assert scene.pin(message_id, "7d")[0] == 200
    seen = seen_by(carla, message_id, 1)
    check_pin(seen, "7d", remoteJID=group, fromMe=True, ID=message_id, participant=scene.ana.lid)


def test_no_sign_of_a_bot(scene: Scene, bob: Actor) -> None:
    """neonize puts <bot biz_bot="1"/> into what goes to a phone number unless told not to; phones would show it."""
    bob.send_text(scene.ana.jid, "from a client that was not told")
    assert "bot" in scene.wa.stanzas(sender=bob.jid)[-1].children
    assert psutil.Process(scene.portal.pids()["connector"]).environ()["NEONIZE_BOT_TAG"] == "off"
    told = Actor(scene.wa, bob.account, scene.folder, label="told", env={**scene.wa.env(), "NEONIZE_BOT_TAG": "off"})
    with told:
        told.send_text(scene.ana.jid, "from one that was")
    assert "bot" not in scene.wa.stanzas(sender=bob.jid)[-1].children


def test_a_retry_puts_no_second_stanza_on_the_wire(scene: Scene, bob: Actor) -> None:
    message_id = bob.send_text(scene.ana.jid, "once is enough")
    scene.stored(message_id)
    before = scene.pins_sent()
    first = scene.pin(message_id, "7d")
    assert scene.pin(message_id, "7d") == first
    assert scene.pins_sent() == before + 1
    unpinned = scene.pin(message_id)
    assert scene.pin(message_id) == unpinned
    assert scene.pins_sent() == before + 2


def test_two_at_once_send_one_stanza(scene: Scene, bob: Actor) -> None:
    message_id = bob.send_text(scene.ana.jid, "both of us")
    scene.stored(message_id)
    before, answers = scene.pins_sent(), []
    scene.wa.acks.late(scene.ana, 0.5, edit="2")
    threads = [threading.Thread(target=lambda: answers.append(scene.pin(message_id, "7d"))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status for status, _ in answers] == [200] * 5
    assert scene.pins_sent() == before + 1


def test_no_acknowledgement_in_time(scene: Scene, bob: Actor) -> None:
    message_id = bob.send_text(scene.ana.jid, "the ack comes late")
    scene.stored(message_id)
    # Long after the four seconds it is waited for, so that there is time to look in between.
    scene.wa.acks.late(scene.ana, 9, edit="2")
    assert scene.pin(message_id, "7d") == (
        504,
        {"success": False, "error": {"message": "WhatsApp did not confirm in time"}},
    )
    assert scene.pin_state(message_id) == "unknown"
    # The acknowledgement comes all the same, and then it is known.
    wait(lambda: scene.pin_state(message_id) == "pinned", what="the late acknowledgement")


def test_a_refusal_by_whatsapp(scene: Scene, bob: Actor) -> None:
    message_id = bob.send_text(scene.ana.jid, "refused")
    scene.stored(message_id)
    scene.wa.acks.negative(scene.ana, code=479, edit="2")
    status, answer = scene.pin(message_id, "7d")
    assert (status, answer["error"]["message"]) == (502, "WhatsApp refused the message: error 479")
    assert scene.pin_state(message_id) == "failed"
    assert scene.pin(message_id, "7d")[0] == 200


def test_pins_by_the_contact_and_by_the_phone_are_seen(scene: Scene, bob: Actor, phone: Actor) -> None:
    message_id = bob.send_text(scene.ana.jid, "others pin too")
    scene.stored(message_id)
    bob.pin(scene.ana.jid, message_id, 86_400, from_me=True)
    wait(lambda: scene.pin_state(message_id) == "pinned", what="the contact's pin")
    bob.unpin(scene.ana.jid, message_id, from_me=True)
    wait(lambda: scene.pin_state(message_id) == "unpinned", what="the contact's unpin")
    phone.pin(bob.jid, message_id, 604_800)
    wait(lambda: scene.pin_state(message_id) == "pinned", what="the phone's pin")


def test_not_in_the_stored_messages(scene: Scene) -> None:
    status, answer = scene.pin("3EB0NOTHERE", "7d")
    assert (status, answer["error"]["message"]) == (500, "message with ID 3EB0NOTHERE not found")


def test_a_group_in_which_only_admins_pin(scene: Scene, bob: Actor, group: str) -> None:
    message_id = bob.send_text(group, "the house rules")
    scene.stored(message_id)
    bob.set_locked(group, True)
    chat = "SELECT locked FROM chats_chat WHERE jid = ?"
    wait(lambda: scene.database.one(chat, group), what="the news of the lock")
    before = scene.pins_sent()
    status, answer = scene.pin(message_id, "7d")
    assert (status, answer["error"]["message"]) == (
        403,
        "Only admins may pin messages in this group: ask an admin, or to be made one",
    )
    assert scene.pins_sent() == before, "phones would have ignored it without a word"
    assert scene.pin_state(message_id) == "failed"
    bob.participants(group, "promote", [scene.ana.jid])
    wait(lambda: scene.pin(message_id, "7d")[0] == 200, what="the pin of an admin")
    bob.participants(group, "demote", [scene.ana.jid])
    bob.set_locked(group, False)
