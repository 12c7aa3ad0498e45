"""What befalls a client's connection, and what a real client makes of it."""

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


def test_messages_wait_for_a_device_that_is_away(ana: Actor, bob: Actor) -> None:
    ana.stop()
    bob.send_many(ana.jid, 5, "while away ")
    began = ana.mark()
    ana.start()
    ana.wait_text("while away 4")
    assert ana.wait_event("offline_preview", since=began)["Message"] == 5
    assert ana.wait_event("offline_completed", since=began)["Count"] == 5
    texts = [data["message"].get("conversation") for name, data in ana.events[began:] if name == "message"]
    assert texts == [f"while away {number}" for number in range(5)]
    # What was acknowledged does not come again.
    time.sleep(0.3)
    assert ana.account.waiting(1) == 0
    ana.stop()
    began = ana.mark()
    ana.start()
    assert ana.wait_event("offline_completed", since=began)["Count"] == 0


def test_what_is_not_acknowledged_comes_again(ana: Actor, bob: Actor) -> None:
    """A device killed in the middle of many messages gets all of them in the end."""
    sending = bob.submit("send_many", to=ana.jid, count=200, prefix="killed ")
    ana.wait_text("killed 20")
    ana.kill()
    sending.result(120)
    ana.start()
    # After all of them: the last may be lost as well.
    bob.send_text(ana.jid, "after the kill")
    ana.wait_text("after the kill")
    texts = [message["message"].get("conversation", "") for message in ana.received()]
    lost = {f"killed {number}" for number in range(200)} - set(texts)
    # neonize acknowledges before Python has seen the event: the last few of a killed process may be lost.
    assert len(lost) <= 100


def test_a_dropped_connection_comes_back_by_itself(ana: Actor, bob: Actor) -> None:
    began = ana.mark()
    ana.account.drop(1)
    ana.wait_event("disconnected", since=began)
    ana.wait_event("connected", since=began)
    bob.send_text(ana.jid, "back again")
    ana.wait_text("back again")


def test_the_network_is_down_for_a_while(wa: LoopbackServer, ana: Actor, bob: Actor) -> None:
    wa.refuse_connections()
    began, dials = ana.mark(), wa.proxy.dials
    ana.account.drop_all()
    ana.wait_event("disconnected", since=began)
    bob.send_text(ana.jid, "meanwhile")
    deadline = time.monotonic() + 30
    while wa.proxy.dials == dials:  # It goes on trying.
        assert time.monotonic() < deadline
        time.sleep(0.05)
    wa.refuse_connections(False)
    ana.wait_event("connected", since=began)
    ana.wait_text("meanwhile")


def test_service_unavailable_at_the_websocket(wa: LoopbackServer, ana: Actor) -> None:
    wa.unavailable()
    began = ana.mark()
    ana.account.drop_all()
    ana.wait_event("disconnected", since=began)
    time.sleep(0.3)
    wa.unavailable(False)
    ana.wait_event("connected", since=began)


def test_service_unavailable_at_login(ana: Actor) -> None:
    began = ana.mark()
    ana.account.unavailable(times=1)
    ana.wait_event("connected", since=began)


def test_unlinked_on_the_phone(make_actor: MakeActor) -> None:
    eve = make_actor("Eve")
    eve.account.unlink(1)
    assert eve.wait_event("logged_out") == {"OnConnect": False, "Reason": "LOGGED_OUT"}
    assert eve.account.devices() == []


def test_unlinked_while_it_was_away(make_actor: MakeActor) -> None:
    eve = make_actor("Eve")
    eve.stop()
    eve.account.unlink(1)
    eve.start(wait=False)
    assert eve.wait_event("logged_out") == {"OnConnect": True, "Reason": "LOGGED_OUT"}


def test_stream_replaced(make_actor: MakeActor) -> None:
    eve = make_actor("Eve")
    began = eve.mark()
    eve.account.stream_replaced(1)
    eve.wait_event("replaced", since=began)
    time.sleep(0.5)
    assert not eve.account.connected(1)  # it does not fight for the place


def test_the_same_device_twice(make_actor: MakeActor) -> None:
    eve = make_actor("Eve")
    eve.stop()
    twin = make_actor(eve.account, start=False)
    twin.store.write_bytes(eve.store.read_bytes())
    twin.device = eve.device
    eve.start()
    twin.start()
    eve.wait_event("replaced")


def test_temporarily_banned(make_actor: MakeActor) -> None:
    eve = make_actor("Eve")
    eve.account.ban(code=101, expire=3600)
    ban = eve.wait_event("banned")
    assert ban["Code"] == "SEND_TO_TOO_MANY_PEOPLE"
    eve.account.lift()


def test_outdated(make_actor: MakeActor) -> None:
    eve = make_actor("Eve")
    eve.account.outdated()
    eve.wait_event("outdated")


def test_another_login_failure(make_actor: MakeActor) -> None:
    eve = make_actor("Eve")
    eve.account.fail_logins(409)
    assert "connect_failure" in {name for name, _ in [("connect_failure", eve.wait_event("connect_failure"))]}


def test_an_ack_that_comes_late(wa: LoopbackServer, ana: Actor, bob: Actor) -> None:
    wa.acks.late(bob.account, 3)
    began = time.monotonic()
    sent = bob.send_text(ana.jid, "late ack")
    assert time.monotonic() - began >= 3
    assert ana.wait_text("late ack")["id"] == sent
    began = time.monotonic()
    bob.send_text(ana.jid, "normal again")
    assert time.monotonic() - began < 3


def test_a_negative_ack(wa: LoopbackServer, ana: Actor, bob: Actor) -> None:
    wa.acks.negative(bob.account, code=479)
    with pytest.raises(ActorError, match="SendMessageError: server returned error 479"):
        bob.send_text(ana.jid, "refused")
    bob.send_text(ana.jid, "after the refusal")
    ana.wait_text("after the refusal")
    assert "refused" not in [message["message"].get("conversation") for message in ana.received()]
    assert [stanza.error for stanza in wa.stanzas(sender=bob.jid)[-2:]] == [479, 0]


def test_an_ack_for_pins_alone(wa: LoopbackServer, ana: Actor, bob: Actor) -> None:
    wa.acks.negative(bob.account, code=403, edit="2")
    target = bob.send_text(ana.jid, "not a pin")
    with pytest.raises(ActorError, match="403"):
        bob.pin(ana.jid, target, from_me=True)


def test_a_missing_ack_and_then_a_new_connection(wa: LoopbackServer, ana: Actor, bob: Actor) -> None:
    """The client waits 75 s; a broken connection makes it send the same stanza again on the next."""
    wa.acks.missing(bob.account)
    sending = bob.send_later(ana.jid, "text", text="was it acknowledged?")
    got = ana.wait_text("was it acknowledged?")
    time.sleep(0.5)
    assert not sending.done()
    bob.account.drop(1)
    assert sending.result(60)["id"] == got["id"]
    assert len(wa.stanzas(id=got["id"])) == 2
    time.sleep(0.3)  # the second copy decrypts to nothing new
    assert [message["id"] for message in ana.received()].count(got["id"]) == 1
