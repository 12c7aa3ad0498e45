"""Groups of real clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.loopback import Actor, ActorError, LoopbackServer

if TYPE_CHECKING:
    from tests.loopback.fixtures import MakeActor

pytest_plugins = ["tests.loopback.fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.sqlite_only]


@pytest.fixture(scope="module")
def bob(make_actor: MakeActor) -> Actor:
    return make_actor("Bob")


@pytest.fixture(scope="module")
def ana(make_actor: MakeActor) -> Actor:
    return make_actor("Ana")


@pytest.fixture(scope="module")
def carla(make_actor: MakeActor) -> Actor:
    return make_actor("Carla")


@pytest.fixture
def group(ana: Actor, bob: Actor) -> str:
    """Bob's group, with Ana in it."""
    group = bob.create_group("Team", [ana.jid])
    ana.wait_event("joined", lambda event: event["group"] == group)
    return group


def test_it_is_made_and_looked_up(ana: Actor, bob: Actor, group: str) -> None:
    info = ana.group_info(group)
    assert (info["subject"], info["announcement"], info["locked"]) == ("Team", False, False)
    assert info["participants"] == {
        bob.lid: {"phone": bob.jid, "admin": True, "owner": True},
        ana.lid: {"phone": ana.jid, "admin": False, "owner": False},
    }


def test_messages_and_pins(ana: Actor, bob: Actor, group: str) -> None:
    sent = bob.send_text(group, "hello group")
    got = ana.wait_text("hello group")
    assert (got["id"], got["chat"], got["group"], got["sender_alt"]) == (
        sent,
        group,
        True,
        f"{bob.account.phone}:1@s.whatsapp.net",
    )
    pin = ana.pin(group, sent, 86_400, participant=bob.lid)
    seen = bob.wait_for(lambda message: message["id"] == pin)
    assert seen["edit"] == "2"
    assert seen["message"]["pinInChatMessage"]["key"]["participant"] == bob.lid
    # The sender key comes in an event of its own, with the same id and edit.
    both = [message for message in bob.received(keys=True) if message["id"] == pin]
    assert [(message["only_sender_key"], message["edit"]) for message in both] == [(True, "2"), (False, "2")]


def test_members_come_and_go(ana: Actor, bob: Actor, carla: Actor, group: str) -> None:
    bob.participants(group, "add", [carla.jid])
    assert ana.wait_event("group", lambda event: event["group"] == group)["join"] == [carla.lid]
    bob.send_text(group, "welcome Carla")
    carla.wait_text("welcome Carla")
    bob.participants(group, "remove", [carla.jid])
    gone = carla.wait_event("group", lambda event: event["group"] == group and "leave" in event)
    assert gone["leave"] == [carla.lid]
    with pytest.raises(ActorError, match="not participating"):
        carla.group_info(group)
    with pytest.raises(ActorError, match="not participating"):
        carla.send_text(group, "still here?")


def test_promote_and_demote(ana: Actor, bob: Actor, group: str) -> None:
    with pytest.raises(ActorError, match="403"):
        ana.participants(group, "promote", [ana.jid])
    bob.participants(group, "promote", [ana.jid])
    assert ana.wait_event("group", lambda event: event["group"] == group)["promote"] == [ana.lid]
    assert ana.group_info(group)["participants"][ana.lid]["admin"]
    bob.participants(group, "demote", [ana.jid])
    assert not ana.group_info(group)["participants"][ana.lid]["admin"]


def test_a_new_subject(ana: Actor, bob: Actor, group: str) -> None:
    bob.set_subject(group, "Better team")
    assert ana.wait_event("group", lambda event: event["group"] == group)["subject"] == "Better team"
    assert ana.group_info(group)["subject"] == "Better team"


def test_only_admins_may_write(ana: Actor, bob: Actor, group: str) -> None:
    bob.set_announce(group, True)
    assert ana.wait_event("group", lambda event: event["group"] == group)["announcement"] is True
    assert ana.group_info(group)["announcement"] is True
    with pytest.raises(ActorError, match="403"):
        ana.send_text(group, "may I?")
    bob.send_text(group, "an announcement")
    ana.wait_text("an announcement")


def test_only_admins_may_change_settings(ana: Actor, bob: Actor, group: str) -> None:
    bob.set_locked(group, True)
    assert ana.wait_event("group", lambda event: event["group"] == group)["locked"] is True
    assert ana.group_info(group)["locked"] is True
    with pytest.raises(ActorError, match="403"):
        ana.set_subject(group, "mine now")


def test_leaving(ana: Actor, bob: Actor, group: str) -> None:
    ana.leave(group)
    assert bob.wait_event("group", lambda event: event["group"] == group)["leave"] == [ana.lid]
    assert ana.lid not in bob.group_info(group)["participants"]


def test_a_group_that_is_not_there(bob: Actor) -> None:
    with pytest.raises(ActorError, match="does not exist"):
        bob.group_info("120363999999999999@g.us")


def test_a_lost_sender_key_is_mended_by_a_retry(wa: LoopbackServer, ana: Actor, bob: Actor, group: str) -> None:
    bob.send_text(group, "one")
    ana.wait_text("one")
    ana.send_text(group, "two")
    bob.wait_text("two")
    ana.ask("sql", statement="DELETE FROM whatsmeow_sessions")
    sent = bob.send_text(group, "three")
    assert ana.wait_text("three")["id"] == sent
    assert "retry" in [receipt.type for receipt in wa.receipts(id=sent)]
