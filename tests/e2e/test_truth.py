"""What becomes of a pin when the phones change its chat or its message; nothing is sent in vain."""

import pytest

from tests.e2e.scene import Scene, wait
from tests.loopback import Actor

pytestmark = pytest.mark.slow


@pytest.fixture
def team(scene: Scene, bob: Actor, carla: Actor) -> str:
    """A group of Bob's, in which Ana is no admin."""
    return bob.create_group("Team", [scene.ana.jid, carla.account.jid])


def refusal(scene: Scene, message_id: str, words: str, status: int = 403) -> bool:
    """Whether a pin is refused in these words, and nothing goes over the wire."""
    before = scene.pins_sent()
    answer = scene.pin(message_id, "7d")
    return answer == (status, {"success": False, "error": {"message": words}}) and scene.pins_sent() == before


def test_a_group_in_which_only_admins_write(scene: Scene, bob: Actor, team: str) -> None:
    message_id = bob.send_text(team, "news of the house")
    scene.stored(message_id)
    bob.set_announce(team, True)
    wait(lambda: scene.database.one("SELECT announce FROM chats_chat WHERE jid = ?", team), what="the news of it")
    words = "Only admins may write in this group, and so only they may pin: ask an admin, or to be made one"
    assert refusal(scene, message_id, words)
    bob.participants(team, "promote", [scene.ana.jid])
    wait(lambda: scene.pin(message_id, "7d")[0] == 200, what="the pin of an admin")


def test_a_group_that_we_are_not_in_any_more(scene: Scene, bob: Actor, team: str) -> None:
    message_id = bob.send_text(team, "farewell")
    scene.stored(message_id)
    assert scene.pin(message_id, "24h")[0] == 200
    bob.participants(team, "remove", [scene.ana.jid])
    words = "This account is not in the group any more: ask a member to add it again"
    wait(lambda: refusal(scene, message_id, words), what="the refusal")
    assert scene.pin_state(message_id) == "pinned", "the others' phones show it still"
    bob.participants(team, "add", [scene.ana.jid])
    wait(lambda: scene.pin(message_id, "7d")[0] == 200, what="the pin of a member again")


def test_a_message_that_is_deleted_for_everyone(scene: Scene, bob: Actor) -> None:
    message_id = bob.send_text(scene.ana.jid, "said too much")
    scene.stored(message_id)
    assert scene.pin(message_id, "7d")[0] == 200
    bob.delete(scene.ana.jid, message_id)
    wait(lambda: scene.pin_state(message_id) == "unpinned", what="the end of the pin")
    words = f"message with ID {message_id} was deleted for everyone: it cannot be pinned"
    assert refusal(scene, message_id, words, 409)


def test_a_disappearing_message_is_pinned_no_longer_than_it_is_there(scene: Scene, bob: Actor) -> None:
    message_id = bob.send_ephemeral(scene.ana.jid, "gone in a week", 604_800)
    (disappears_at,) = scene.stored(message_id, "disappears_at")
    assert scene.pin(message_id, "30d")[0] == 200
    query = "SELECT p.expires_at FROM chats_pin p JOIN chats_message m ON m.id = p.message_id WHERE m.message_id = ?"
    assert scene.database.one(query, message_id) == disappears_at


def test_a_disappearing_message_that_is_gone(scene: Scene, bob: Actor) -> None:
    message_id = bob.send_ephemeral(scene.ana.jid, "gone in a second", 1)
    scene.stored(message_id)
    words = f"message with ID {message_id} has disappeared from the phones: it cannot be pinned"
    wait(lambda: refusal(scene, message_id, words, 409), what="its end")


def test_a_contact_whom_the_account_blocked(scene: Scene, bob: Actor) -> None:
    message_id = bob.send_text(scene.ana.jid, "last words")
    scene.stored(message_id)
    scene.ana.block(bob.account)
    try:
        words = "This contact is blocked: unblock them on the phone first"
        wait(lambda: refusal(scene, message_id, words))
        text = {"number": bob.account.phone, "text": "to nobody"}
        status, answer = scene.portal.post("/api/message/sendText/shop", text, scene.token)
        assert (status, answer) == (403, {"success": False, "error": {"message": words}})
    finally:
        scene.ana.block(bob.account, False)
    wait(lambda: scene.pin(message_id, "7d")[0] == 200, what="the pin after all")
