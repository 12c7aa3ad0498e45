"""A contact with a client of their own, against the real library: nothing ends, nothing is lost beside it."""

import math

import pytest
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message

from tests.e2e.scene import Scene, wait
from tests.loopback import Actor
from tests.loopback.node import Node, node
from tests.test_hostile_events import deep, sized

pytestmark = pytest.mark.slow

LONGEST = 65_536
HOSTILE: list[tuple[str, bytes, str, str]] = [
    ("deeper than Python reads", deep(300), "unreadable", ""),
    ("no UTF-8", sized(1, b"a\xff\xfe\xc0b"), "text", "a\ufffd\ufffd\ufffdb"),
    ("NUL", sized(1, b"a\x00b"), "text", "a\ufffdb"),
    ("half a character", sized(1, b"a\xed\xa0\x80b"), "text", "a\ufffd\ufffd\ufffdb"),
    ("directions", sized(1, "\u202e\u2066\u200bab".encode()), "text", "\u202e\u2066\u200bab"),
    ("the longest there is", sized(1, b"y" * LONGEST), "text", "y" * LONGEST),
    ("longer", sized(1, b"z" * 1_000_000), "text", "z" * LONGEST),
    ("a field nobody knows", sized(90_000, b"?") + sized(1, b"known"), "text", "known"),
    ("nothing but that", sized(90_000, b"?" * 100), "other", ""),
    (
        "a place nowhere",
        Message(locationMessage={"degreesLatitude": math.nan, "degreesLongitude": math.inf}).SerializeToString(),
        "location",
        "",
    ),
    ("NUL in a name", Message(documentMessage={"fileName": "a\x00b"}).SerializeToString(), "document", "a\ufffdb"),
]  # fmt: skip


def test_nothing_ends_and_all_is_there(scene: Scene, bob: Actor) -> None:
    connector = scene.portal.pids()["connector"]
    sent = [(name, bob.send_bytes(scene.ana.jid, content), kind, text) for name, content, kind, text in HOSTILE]
    after = bob.send_text(scene.ana.jid, "after all that")
    scene.stored(after)
    for name, message_id, kind, text in sent:
        if kind == "other":
            # whatsmeow takes an empty message for a broken one; what matters is that it hurt nobody.
            continue
        assert scene.stored(message_id, "kind", "text") == (kind, text), name
    assert scene.portal.pids()["connector"] == connector
    assert scene.instance("state") == "connected"


def test_what_whatsapp_might_deliver(scene: Scene, bob: Actor) -> None:
    """Stanzas that are none, and times that are none."""
    # The portal's own was the first; another file may have linked a phone besides.
    device = min(scene.ana.devices())
    connector = scene.portal.pids()["connector"]
    for number, (when, content) in enumerate(
        [("0", b"\xff"), ("-1", b""), ("99999999999999", b"\x00" * 99), ("x", b"\x0a")]
    ):
        plain = Node("plaintext", {}, content)
        enc = Node("enc", {"type": "msg", "v": "2"}, content)
        for sender, part in (("1234@newsletter", plain), (bob.lid, enc), (bob.lid, node("unavailable", {"type": "x"}))):
            attributes = {"from": sender, "id": f"BAD{number}{part.tag}", "t": when, "type": "text", "notify": "\x00"}
            scene.ana.give(device, node("message", attributes, part))
    scene.stored(bob.send_text(scene.ana.jid, "after those"))
    assert scene.portal.pids()["connector"] == connector


def test_nobody_changes_what_others_wrote(scene: Scene, bob: Actor, carla: Actor, phone: Actor, group: str) -> None:
    his = bob.send_text(group, "Bob's own")
    scene.stored(his)
    carla.wait_text("Bob's own")
    ours = phone.send_text(bob.jid, "ours")
    scene.stored(ours)
    bob.wait_text("ours")
    forged = [
        carla.delete(group, his, from_me=False, participant=bob.lid),
        carla.delete(group, his, from_me=True),
        carla.edit(group, his, "what Bob never wrote"),
        bob.delete(scene.ana.jid, ours, from_me=False),
        bob.delete(scene.ana.jid, ours, from_me=True),
        bob.edit(scene.ana.jid, ours, "what we never wrote"),
        bob.pin(scene.ana.jid, "NOBODYWROTETHIS"),
        bob.unpin(scene.ana.jid, "NORTHIS"),
        bob.pin(scene.ana.jid, his),  # Of another chat.
    ]
    for message_id in forged:
        scene.stored(message_id)
    assert scene.stored(his, "text", "deleted_at", "edited_at") == ("Bob's own", None, None)
    assert scene.stored(ours, "text", "deleted_at", "edited_at") == ("ours", None, None)
    assert scene.pin_state("NOBODYWROTETHIS") == scene.pin_state(his) == ""
    # Bob made the group, and is an admin.
    hers = carla.send_text(group, "Carla's own")
    scene.stored(hers)
    bob.wait_text("Carla's own")
    bob.delete(group, hers, from_me=False, participant=carla.lid)
    wait(lambda: scene.stored(hers, "deleted_at") != (None,), what="the admin's deletion")


def test_pins_where_only_admins_may(scene: Scene, bob: Actor, carla: Actor, group: str) -> None:
    his = bob.send_text(group, "only admins pin this")
    scene.stored(his)
    carla.wait_text("only admins pin this")
    bob.set_locked(group, True)
    try:
        wait(lambda: scene.database.one("SELECT locked FROM chats_chat WHERE jid = ?", group), what="the lock")
        scene.stored(carla.pin(group, his, participant=bob.lid))
        assert scene.pin_state(his) == ""
        scene.stored(bob.pin(group, his, from_me=True, participant=bob.lid))
        wait(lambda: scene.pin_state(his) == "pinned", what="the admin's pin")
    finally:
        bob.set_locked(group, False)
