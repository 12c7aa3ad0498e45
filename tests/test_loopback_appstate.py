"""What the phone shares with its companions: app state and history. Here a real client plays the phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.loopback import Actor, ActorError, LoopbackServer

if TYPE_CHECKING:
    from tests.loopback.fixtures import MakeActor

pytest_plugins = ["tests.loopback.fixtures"]
pytestmark = [pytest.mark.slow, pytest.mark.sqlite_only]


@pytest.fixture(scope="module")
def phone(make_actor: MakeActor) -> Actor:
    return make_actor("Ana", primary=True)


@pytest.fixture(scope="module")
def companion(make_actor: MakeActor, phone: Actor) -> Actor:
    """Ana's companion, which has the key to her app state."""
    companion = make_actor(phone.account)
    phone.wait_for_devices(2)
    phone.share_app_state_key()
    companion.wait_for(lambda message: "appStateSyncKeyShare" in message["message"].get("protocolMessage", {}))
    return companion


def test_without_the_key_there_is_no_app_state(make_actor: MakeActor) -> None:
    with pytest.raises(ActorError, match="no app state keys found"):
        make_actor("Bob").set_push_name("Robert")


def test_a_new_name_reaches_the_other_devices(wa: LoopbackServer, phone: Actor, companion: Actor) -> None:
    companion.set_push_name("Ana Maria")
    changes = companion.account.app_state("setting_pushName")
    assert [(change.collection, change.value["pushNameSetting"]) for change in changes] == [
        ("critical_block", {"name": "Ana Maria"})
    ]
    companion.be_online()  # which a client cannot without a name
    assert wa.unknown_iqs == []


def test_a_chat_cannot_be_pinned_through_neonize(companion: Actor) -> None:
    """send_app_state names no collection: goneonize compares pointers (utils/decoder.go, DecodePatchInfo)."""
    with pytest.raises(ActorError, match="bad-request"):
        companion.pin_chat("5511999999999@s.whatsapp.net")
    assert companion.account.app_state("pin_v1") == []


def test_history(phone: Actor, companion: Actor) -> None:
    chat = "5511988887777@s.whatsapp.net"
    old = {"id": "OLD1", "text": "long ago", "from_me": False, "timestamp": 1_600_000_000}
    phone.share_history(chat, [old], name="Rita")
    conversation = companion.wait_event("history")["Data"]["conversations"][0]
    assert (conversation["ID"], conversation["name"]) == (chat, "Rita")
    assert conversation["messages"][0]["message"]["message"] == {"conversation": "long ago"}
