"""Messages between real clients."""

from __future__ import annotations

import time
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


def test_direct_messages_both_ways(ana: Actor, bob: Actor) -> None:
    sent = bob.send_text(ana.jid, "hi Ana")
    got = ana.wait_text("hi Ana")
    assert (got["id"], got["push_name"], got["from_me"]) == (sent, "Bob", False)
    assert (got["chat"], got["sender"], got["sender_alt"]) == (
        bob.lid,
        f"{bob.lid[:-4]}:1@lid",
        f"{bob.account.phone}:1@s.whatsapp.net",
    )
    ana.send_text(bob.jid, "hi Bob")
    assert bob.wait_text("hi Bob")["chat"] == ana.lid


def test_a_message_to_a_lid(ana: Actor, bob: Actor) -> None:
    bob.send_text(ana.lid, "by lid")
    assert ana.wait_text("by lid")["chat"] == bob.lid


def test_order_is_kept(ana: Actor, bob: Actor) -> None:
    bob.send_many(ana.jid, 50, "ordered ")
    ana.wait_text("ordered 49")
    texts = [message["message"].get("conversation", "") for message in ana.received()]
    assert [text for text in texts if text.startswith("ordered ")] == [f"ordered {number}" for number in range(50)]


def test_a_pin_and_an_unpin(wa: LoopbackServer, ana: Actor, bob: Actor) -> None:
    target = bob.send_text(ana.jid, "pin me")
    ana.wait_text("pin me")  # answering while the message is being decrypted loses one: see the README
    pin = ana.pin(bob.jid, target, 604_800, from_me=False)
    got = bob.wait_for(lambda message: message["id"] == pin)
    assert got["edit"] == "2"
    assert got["message"]["pinInChatMessage"]["type"] == "PIN_FOR_ALL"
    assert got["message"]["pinInChatMessage"]["key"] == {"remoteJID": bob.jid, "fromMe": False, "ID": target}
    assert got["message"]["messageContextInfo"]["messageAddOnDurationInSecs"] == 604_800

    unpin = ana.unpin(bob.jid, target, from_me=False)
    got = bob.wait_for(lambda message: message["id"] == unpin)
    assert (got["edit"], got["message"]["pinInChatMessage"]["type"]) == ("2", "UNPIN_FOR_ALL")
    assert "messageAddOnDurationInSecs" not in got["message"].get("messageContextInfo", {})

    sent = wa.stanzas(sender=ana.jid, edit="2")
    assert [stanza.id for stanza in sent] == [pin, unpin]
    assert {stanza.chat for stanza in sent} == {bob.jid}


def test_edit_delete_reply_react_poll(ana: Actor, bob: Actor) -> None:
    first = bob.send_text(ana.jid, "frist")
    ana.wait_text("frist")
    edit = bob.edit(ana.jid, first, "first")
    # whatsmeow unwraps the edit, but not Info.ID: that stays the id of the stanza.
    edited = ana.wait_for(lambda message: message["id"] == edit)
    assert edited["edit"] == "1"
    assert edited["message"]["protocolMessage"]["key"]["ID"] == first
    assert edited["message"]["protocolMessage"]["editedMessage"] == {"conversation": "first"}

    reply = ana.reply(bob.jid, first, bob.jid, "an answer", quoted="first")
    quoting = bob.wait_for(lambda message: message["id"] == reply)["message"]["extendedTextMessage"]
    assert (quoting["text"], quoting["contextInfo"]["stanzaID"]) == ("an answer", first)

    reaction = ana.react(bob.jid, first, "👍")
    assert bob.wait_for(lambda message: message["id"] == reaction)["message"]["reactionMessage"]["text"] == "👍"

    poll = bob.poll(ana.jid, "when?", ["today", "tomorrow"])
    options = ana.wait_for(lambda message: message["id"] == poll)["message"]["pollCreationMessage"]["options"]
    assert [option["optionName"] for option in options] == ["today", "tomorrow"]

    gone = bob.delete(ana.jid, first)
    deleted = ana.wait_for(lambda message: message["id"] == gone)
    assert (deleted["edit"], deleted["message"]["protocolMessage"]["key"]["ID"]) == ("7", first)


def test_every_kind_of_content(ana: Actor, bob: Actor) -> None:
    sent = {
        bob.send_image(ana.jid, "a picture"): "imageMessage",
        bob.send_video(ana.jid, "a film"): "videoMessage",
        bob.send_audio(ana.jid, voice=True): "audioMessage",
        bob.send_document(ana.jid, "offer.pdf", "the offer"): "documentMessage",
        bob.send_sticker(ana.jid): "stickerMessage",
        bob.send_location(ana.jid, -23.5, -46.6, "São Paulo"): "locationMessage",
        bob.send_contact(ana.jid, "Carla", "5511999990009"): "contactMessage",
        bob.send_view_once(ana.jid, "once"): "imageMessage",
        bob.send_ephemeral(ana.jid, "soon gone"): "extendedTextMessage",
    }
    for message_id, kind in sent.items():
        assert kind in ana.wait_for(lambda message, wanted=message_id: message["id"] == wanted)["message"]  # type: ignore[misc]


def test_receipts_reach_the_sender(wa: LoopbackServer, ana: Actor, bob: Actor) -> None:
    sent = bob.send_text(ana.jid, "received?")
    ana.wait_text("received?")
    # ana has not said that she is online
    delivered = bob.wait_event("receipt", lambda receipt: sent in receipt["ids"])
    assert (delivered["type"], delivered["chat"]) == ("inactive", ana.lid)
    ana.mark_read([sent], bob.lid, bob.lid)
    read = bob.wait_event("receipt", lambda receipt: sent in receipt["ids"] and receipt["type"] == "read")
    assert read["chat"] == ana.lid
    assert [receipt.type for receipt in wa.receipts(id=sent)] == ["inactive", "read"]


def test_delivered_to_somebody_online(ana: Actor, bob: Actor) -> None:
    ana.active_receipts()
    sent = bob.send_text(ana.jid, "are you there?")
    assert bob.wait_event("receipt", lambda receipt: sent in receipt["ids"])["type"] == "delivered"
    ana.active_receipts(False)


def test_own_devices_get_copies_and_notice_a_new_one(ana: Actor, bob: Actor, make_actor: MakeActor) -> None:
    bob.send_text(ana.jid, "before the second device")
    second = make_actor(bob.account)
    sent = bob.send_text(ana.jid, "after it")
    copy = second.wait_text("after it")
    assert (copy["id"], copy["from_me"], copy["chat"], copy["recipient_alt"]) == (sent, True, ana.lid, ana.jid)
    # Ana's client is told of Bob's new device and encrypts for it.
    ana.send_text(bob.jid, "to both")
    time.sleep(2)
    ana.send_text(bob.jid, "to both again")
    second.wait_text("to both again")


def test_a_lost_session_is_mended_by_a_retry(wa: LoopbackServer, ana: Actor, bob: Actor) -> None:
    ana.send_text(bob.jid, "ready")
    bob.wait_text("ready")
    bob.send_text(ana.jid, "still fine")
    ana.wait_text("still fine")
    ana.ask("sql", statement="DELETE FROM whatsmeow_sessions")
    sent = bob.send_text(ana.jid, "can you read this?")
    assert ana.wait_event("undecryptable", lambda event: event["id"] == sent)["chat"] == bob.lid
    assert ana.wait_text("can you read this?")["id"] == sent
    assert "retry" in [receipt.type for receipt in wa.receipts(id=sent)]
    # The first resend uses the same lost session; the second retry receipt carries keys for a new one.
    assert [stanza.attrs.get("device_fanout") for stanza in wa.stanzas(id=sent)] == [None, "false", "false"]


def test_who_is_on_whatsapp(ana: Actor, bob: Actor) -> None:
    found = bob.on_whatsapp("+" + ana.account.phone, "+4915100000000")
    assert [one["in"] for one in found] == [True, False]
    assert found[0]["jid"] == ana.lid


def test_a_stranger_number_cannot_be_written_to(bob: Actor) -> None:
    with pytest.raises(ActorError, match="no LID found"):
        bob.send_text("4915100000000@s.whatsapp.net", "hello?")


def test_a_forged_device_identity_is_refused(wa: LoopbackServer, make_actor: MakeActor, ana: Actor) -> None:
    eve = make_actor("Eve")
    eve.ask("sql", statement="UPDATE whatsmeow_device SET adv_device_sig = zeroblob(64)")
    eve.stop()
    eve.start()
    with pytest.raises(ActorError, match="479"):
        eve.send_text(ana.jid, "trust me")
    assert any("device identity" in refusal for refusal in wa.refusals)


def test_a_forged_signed_prekey_is_refused(wa: LoopbackServer, make_actor: MakeActor) -> None:
    eve = make_actor("Eve")
    eve.ask("sql", statement="UPDATE whatsmeow_device SET signed_pre_key_sig = zeroblob(64)")
    eve.stop()
    prekeys = eve.account.state.devices[1].prekeys
    wa.call(prekeys.clear)  # so that the client uploads new ones
    eve.start()
    assert len(prekeys) == 0


def test_nothing_was_asked_that_the_server_does_not_know(wa: LoopbackServer) -> None:
    assert wa.unknown_iqs == []
    assert wa.refused_hosts == []
