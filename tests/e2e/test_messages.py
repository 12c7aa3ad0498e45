"""Every kind of message arrives with its type and its searchable text."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.scene import Scene, wait
from tests.loopback import Actor

pytestmark = pytest.mark.slow

Send = Callable[[Actor, str], str]

KINDS: list[tuple[str, Send, str]] = [
    ("text", lambda bob, to: bob.send_text(to, "Olá, Ana"), "Olá, Ana"),
    ("image", lambda bob, to: bob.send_image(to, "the shop's front"), "the shop's front"),
    ("video", lambda bob, to: bob.send_video(to, "opening day"), "opening day"),
    ("audio", lambda bob, to: bob.send_audio(to), ""),
    ("voice", lambda bob, to: bob.send_audio(to, voice=True), ""),
    ("document", lambda bob, to: bob.send_document(to, "offer.pdf", "our offer"), "our offer\noffer.pdf"),
    ("sticker", lambda bob, to: bob.send_sticker(to), ""),
    ("location", lambda bob, to: bob.send_location(to, -23.5, -46.6, "Paulista"), "Paulista"),
    ("contact", lambda bob, to: bob.send_contact(to, "Dora", "5511999990009"), "Dora"),
    ("poll", lambda bob, to: bob.poll(to, "When?", ["Monday", "Friday"]), "When?\nMonday\nFriday"),
    ("image", lambda bob, to: bob.send_view_once(to, "once only"), "once only"),
    ("text", lambda bob, to: bob.send_ephemeral(to, "gone tomorrow"), "gone tomorrow"),
]


@pytest.mark.parametrize(("kind", "send", "text"), KINDS)
def test_it_works(scene: Scene, bob: Actor, kind: str, send: Send, text: str) -> None:
    message_id = send(bob, scene.ana.jid)
    row = scene.stored(message_id, "kind", "text", "sender", "sender_name", "from_me")
    assert row == (kind, text, bob.jid, "Bob", 0)


def test_media_keeps_its_reference_and_key(scene: Scene, bob: Actor) -> None:
    (data,) = scene.stored(bob.send_image(scene.ana.jid, "with a key"), "data")
    import json

    media: dict[str, Any] = json.loads(data) if isinstance(data, str) else data
    assert len(bytes.fromhex(media["key"])) == 32
    assert media["path"]
    assert media["mimetype"].startswith("image/")


def test_quoted(scene: Scene, bob: Actor, phone: Actor) -> None:
    asked = phone.send_text(bob.jid, "When do you open?")
    answer = bob.reply(scene.ana.jid, asked, scene.ana.jid, "At nine", quoted="When do you open?")
    assert scene.stored(answer, "text", "quoted_id") == ("At nine", asked)


def test_edited(scene: Scene, bob: Actor) -> None:
    message_id = bob.send_text(scene.ana.jid, "at ten")
    bob.edit(scene.ana.jid, message_id, "at eleven")
    wait(lambda: scene.stored(message_id, "text") == ("at eleven",), what="the edit")
    assert scene.stored(message_id, "edited_at") != (None,)


def test_deleted(scene: Scene, bob: Actor) -> None:
    message_id = bob.send_text(scene.ana.jid, "a slip")
    bob.delete(scene.ana.jid, message_id)
    wait(lambda: scene.stored(message_id, "deleted_at") != (None,), what="the deletion")


def test_reaction(scene: Scene, bob: Actor, phone: Actor) -> None:
    message_id = phone.send_text(bob.jid, "done!")
    reaction = bob.react(scene.ana.jid, message_id, "🎉", from_me=False)
    assert scene.stored(reaction, "kind", "text", "target_id") == ("reaction", "🎉", message_id)


def test_a_group_and_its_news(scene: Scene, bob: Actor, group: str) -> None:
    message_id = bob.send_text(group, "hello all")
    assert scene.stored(message_id, "sender", "from_me") == (bob.jid, 0)
    chat = "SELECT kind, name, locked FROM chats_chat WHERE jid = ?"
    wait(lambda: scene.database.rows(chat, group)[0][:2] == ("group", "Sales"), what="the group's name")
    bob.set_subject(group, "Sales 2026")
    bob.set_locked(group, True)
    wait(lambda: scene.database.rows(chat, group)[0] == ("group", "Sales 2026", True), what="the news of the group")
    system = "SELECT m.text FROM chats_message m JOIN chats_chat c ON c.id = m.chat_id WHERE c.jid = ? AND m.kind = ?"
    wait(lambda: any("Sales 2026" in text for (text,) in scene.database.rows(system, group, "system")))
    bob.set_locked(group, False)


def test_both_names_of_a_contact_are_one_chat(scene: Scene, bob: Actor, phone: Actor) -> None:
    scene.stored(bob.send_text(scene.ana.jid, "from me"))
    scene.stored(phone.send_text(bob.jid, "from Ana"))
    rows = scene.database.rows("SELECT jid, lid FROM chats_chat WHERE jid = ? OR lid = ?", bob.jid, bob.lid)
    assert rows == [(bob.jid, bob.lid)]


def test_a_message_that_came_while_the_portal_was_away(scene: Scene, bob: Actor) -> None:
    (device,) = [number for number in scene.ana.devices() if number == 1]
    scene.wa.refuse_connections()
    try:
        scene.ana.drop(device)
        message_id = bob.send_text(scene.ana.jid, "are you there?")
    finally:
        scene.wa.refuse_connections(False)
    scene.stored(message_id, seconds=30)
