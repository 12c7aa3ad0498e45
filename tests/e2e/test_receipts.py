"""What the contact's client says of our messages' delivery, and what else anybody's client may say."""

import itertools
import time

import pytest

from tests.e2e.scene import Scene, wait
from tests.e2e.test_send_text import send
from tests.loopback import Actor
from tests.loopback.jid import JID, parse_jid
from tests.loopback.node import Node, node

pytestmark = pytest.mark.slow

_numbers = itertools.count(1)


def sent_to(scene: Scene, bob: Actor, text: str) -> str:
    scene.stored(bob.send_text(scene.ana.jid, f"before {text}"))
    status, answer = send(scene, bob.account.phone, text)
    assert status == 200, answer
    return str(answer["message_id"])


def becomes(scene: Scene, message_id: str, status: int) -> None:
    wait(lambda: scene.stored(message_id, "status") == (status,), what=f"status {status}")


def receipt(bob: Actor, *, message_id: str, **attrs: str) -> Node:
    """A receipt as Bob's client might send it."""
    made: dict[str, JID | str | int | None] = {
        "from": parse_jid(bob.lid),
        "id": message_id,
        "t": str(int(time.time())),
        **attrs,
    }
    return node("receipt", made)


def test_it_works(scene: Scene, bob: Actor) -> None:
    bob.active_receipts(False)  # Others may have asked for them before: Bob is one for all tests.
    message_id = sent_to(scene, bob, "are you there?")
    assert scene.stored(message_id, "status") == (1,)  # Bob's client is not online: no second tick.
    bob.active_receipts()
    second = sent_to(scene, bob, "now you are")
    becomes(scene, second, 2)
    bob.mark_read([message_id, second], scene.ana.lid, scene.ana.lid)
    becomes(scene, message_id, 3)
    becomes(scene, second, 3)


def test_the_history_says_so(scene: Scene, bob: Actor) -> None:
    message_id = sent_to(scene, bob, "and the API?")
    scene.ana.give(1, receipt(bob, message_id=message_id, type="played"))
    becomes(scene, message_id, 4)
    answer = scene.portal.call("POST", "/api/chat/history/shop", {"number": bob.jid, "count": 1}, scene.token)[1]
    assert [(one["messageId"], one["status"]) for one in answer["messages"]] == [(message_id, "played")]


@pytest.mark.parametrize(
    "kind", ["", "a-type-of-tomorrow", 'read" from="1', "played-self", "server-error", "\U0001f4cc", "x" * 4000]
)
def test_no_type_of_receipt_ends_the_connection(scene: Scene, bob: Actor, kind: str) -> None:
    """neonize's own event for receipts would: its event loop ends at a type that it cannot name."""
    message_id = sent_to(scene, bob, f"number {next(_numbers)}")
    since = scene.instance("state_at")
    scene.ana.give(1, receipt(bob, message_id=message_id, type=kind))
    scene.stored(bob.send_text(scene.ana.jid, f"still there? {next(_numbers)}"))
    assert scene.instance("state_at") == since
    assert scene.stored(message_id, "status")[0] in (1, 2)
    # And receipts go on being heard.
    scene.ana.give(1, receipt(bob, message_id=message_id, type="read"))
    becomes(scene, message_id, 3)
