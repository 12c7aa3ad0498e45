"""Every kind of message arrives with its type and its searchable text."""

import base64
import hashlib
import itertools
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import PollVoteMessage

from instances.whatsapp.adapter import sealed
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


def test_edited_under_a_seal(scene: Scene, bob: Actor, phone: Actor, group: str) -> None:
    """As phones do since 2026, under either of their names; the real library keeps the secrets."""
    edited = {}
    for actor, to in ((bob, scene.ana.jid), (phone, bob.jid), (bob, group)):
        for author in (actor.jid, actor.lid):
            secret = os.urandom(32)
            message_id = actor.send_with_secret(to, "at ten", secret)
            edit = actor.edit_sealed(to, message_id, f"at eleven, {author}", secret, author)
            assert scene.stored(edit, "kind") == ("edit",)
            edited[message_id] = f"at eleven, {author}"
    assert {message_id: scene.stored(message_id, "text")[0] for message_id in edited} == edited


def test_a_seal_whose_secret_comes_later(scene: Scene, bob: Actor) -> None:
    """As when an edit is quicker than the history that tells of its message."""
    secret = os.urandom(32)
    message_id = bob.send_text(scene.ana.jid, "at ten")
    scene.stored(message_id)
    edit = bob.edit_sealed(scene.ana.jid, message_id, "at eleven", secret, bob.lid)
    assert scene.stored(edit, "text") == ("",)
    (keys,) = (scene.folder / "data" / "sessions").glob("*.sqlite3")
    with closing(sqlite3.connect(keys, timeout=10)) as store, store:
        store.execute(
            "INSERT INTO whatsmeow_message_secrets (our_jid, chat_jid, sender_jid, message_id, key) "
            "SELECT jid, ?, ?, ?, ? FROM whatsmeow_device",
            (bob.lid, bob.lid, message_id, secret),
        )
    wait(lambda: scene.stored(message_id, "text") == ("at eleven",), what="the edit")
    assert scene.stored(edit, "text") == ("at eleven",)


def test_edited_under_a_seal_by_somebody_else(scene: Scene, bob: Actor, carla: Actor, group: str) -> None:
    """Every member of a group has the secret."""
    secret = os.urandom(32)
    message_id = bob.send_with_secret(group, "at ten", secret)
    scene.stored(message_id)
    for author in (bob.lid, carla.lid):
        scene.stored(carla.edit_sealed(group, message_id, "never", secret, author))
    scene.stored(bob.send_text(group, "after it"))
    assert scene.stored(message_id, "text") == ("at ten",)


def test_our_keys_are_the_librarys(scene: Scene, bob: Actor, phone: Actor) -> None:
    """whatsmeow seals no edits, but votes: the same keys under another label."""
    secret = os.urandom(32)
    poll_id = bob.poll(scene.ana.jid, "When?", ["Monday", "Friday"], secret)
    bob.vote(scene.ana.jid, poll_id, bob.lid, "Friday")
    heard = phone.wait_for(lambda event: "pollUpdateMessage" in event["message"])
    vote = heard["message"]["pollUpdateMessage"]["vote"]
    nonce, payload = (base64.b64decode(vote[name]) for name in ("encIV", "encPayload"))
    opened = []
    for author, actor in itertools.product((bob.jid, bob.lid), repeat=2):
        key = sealed.key_of(secret, poll_id, author, actor, "Poll Vote")
        with suppress(InvalidTag):
            opened.append(AESGCM(key).decrypt(nonce, payload, f"{poll_id}\0{actor}".encode()))
    (plain,) = opened
    assert PollVoteMessage.FromString(plain).selectedOptions == [hashlib.sha256(b"Friday").digest()]


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
    scene.stored(message_id)
