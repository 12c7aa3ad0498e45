"""What WhatsApp may hear, and when: line by line of whatsmeow's log."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from instances.whatsapp import custody
from instances.whatsapp.custody import Custody
from instances.whatsapp.events import Lost

pytestmark = pytest.mark.sqlite_only

CAME = '<message from="1002:5@lid" id="M1" notify="Bob" t="1"><enc type="msg" v="2"><!-- 90 bytes --></enc></message>'
GROUP = CAME.replace("</message>", '<enc type="skmsg" v="2"><!-- 90 bytes --></enc></message>')
RECEIPT = '<receipt id="M1" to="1002:5@lid" type="inactive"/>'
ACK = '<ack class="message" id="M1" to="1002:5@lid"/>'
IGNORED = "Ignoring message M1 from 1002:5@lid in 1002@lid: failed to decrypt normal message: old counter"


class Desk:
    """A custody, its outgoing lines each on a thread of its own, as the library has it."""

    def __init__(self) -> None:
        self.stored: set[str] = set()
        self.lost: list[Lost] = []
        self.asks = True
        self.custody = Custody(self.stored.__contains__, self._on_lost)
        self.threads: list[threading.Thread] = []

    def _on_lost(self, lost: Lost) -> bool:
        self.lost.append(lost)
        return self.asks

    def recv(self, line: str) -> None:
        self.custody.line("Client/Recv", line)

    def take_in(self, message_id: str = "M1", whole: bool = True) -> None:
        with self.custody.taking_in(message_id, whole):
            pass

    def send(self, line: str) -> threading.Thread:
        thread = threading.Thread(target=self.custody.line, args=("Client/Send", line))
        self.threads.append(thread)
        thread.start()
        return thread

    def is_held(self, thread: threading.Thread) -> bool:
        thread.join(0.15)
        return thread.is_alive()

    def is_gone(self, thread: threading.Thread) -> bool:
        thread.join(10)
        return not thread.is_alive()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(custody, "IDLE_SECONDS", 60.0)
    made = Desk()
    yield made
    made.custody.let_go()
    for thread in made.threads:
        thread.join(10)


def test_it_works(desk: Desk) -> None:
    desk.recv(CAME)
    receipt = desk.send(RECEIPT)
    assert desk.is_held(receipt)
    desk.take_in("another")
    assert desk.is_held(receipt)
    desk.take_in()
    assert desk.is_gone(receipt)
    assert not desk.lost


@pytest.mark.parametrize(
    "name", ["<enc <enc <enc ", '"><enc v="2">', '" t="1" type="text"><enc v="2"></enc>', '" <enc t="']
)
def test_a_name_that_looks_like_parts_of_a_message(desk: Desk, name: str) -> None:
    """Was red: whoever calls themselves so had each of their messages wait for 2 s, and 16 of them everybody's."""
    desk.recv(CAME.replace("Bob", name))
    receipt = desk.send(RECEIPT)
    assert desk.is_held(receipt)
    desk.take_in()
    assert desk.is_gone(receipt)


def test_what_is_no_message_is_not_waited_for(desk: Desk) -> None:
    """Was red: 16 messages that are no protobuf held everybody up for 2 s."""
    for number in range(100):
        desk.recv(CAME.replace("M1", f"BAD{number}"))
        assert desk.is_gone(desk.send(ACK.replace("M1", f"BAD{number}").replace("class", 'error="491" class')))
    assert not desk.lost


def test_an_event_that_came_before(desk: Desk) -> None:
    desk.recv(CAME)
    desk.take_in()
    assert desk.is_gone(desk.send(RECEIPT))


# --- Encrypting and decrypting --------------------------------------------------------------


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[threading.Thread]:
    """Work on a thread of its own, as the library and the sending have it."""
    thread = threading.Thread(target=work)
    thread.start()
    yield thread
    thread.join(10)


def test_what_comes_waits_until_what_goes_is_encrypted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custody, "APART_SECONDS", 60.0)
    with desk.custody.sending(), beside(lambda: desk.recv(CAME)) as coming:
        assert desk.is_held(coming)
        assert desk.is_gone(desk.send('<message id="OURS" to="1002@lid" type="text"><participants/></message>'))
        assert desk.is_gone(coming), "the acknowledgement of ours is not waited for"
    with suppress(ValueError), desk.custody.sending():
        raise ValueError("the library sent nothing")
    desk.recv(CAME)


def test_what_goes_waits_until_what_came_is_decrypted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custody, "APART_SECONDS", 60.0)

    def send() -> None:
        with desk.custody.sending():
            pass

    desk.recv(CAME)
    with beside(send) as going:
        assert desk.is_held(going)
        desk.take_in()
        assert desk.is_gone(going)


def test_neither_waits_long(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is lost for good, and answers behind a message that is held, must stop nothing."""
    monkeypatch.setattr(custody, "APART_SECONDS", 0.2)
    desk.recv(CAME)
    with desk.custody.sending(), beside(lambda: desk.recv(CAME.replace("M1", "M2"))) as coming:
        assert desk.is_gone(coming)


def test_both_parts_of_a_groups_message(desk: Desk) -> None:
    desk.recv(GROUP)
    receipt = desk.send(RECEIPT)
    desk.take_in(whole=False)
    assert desk.is_held(receipt), "only the sender's key is there yet"
    desk.take_in()
    assert desk.is_gone(receipt)


def test_a_fault_of_ours_does_not_count(desk: Desk) -> None:
    desk.recv(CAME)
    receipt = desk.send(RECEIPT)
    with pytest.raises(ZeroDivisionError), desk.custody.taking_in("M1", True):
        raise ZeroDivisionError
    assert desk.is_held(receipt)


@pytest.mark.parametrize(
    "line",
    [
        RECEIPT.replace("inactive", "read"),
        RECEIPT.replace("M1", "M2"),
        '<ack class="receipt" id="M1" to="1002@lid"/>',
        '<ack class="notification" id="M1" to="1002@lid" type="devices"/>',
        '<iq id="M1"/>',
        "",
    ],
)
def test_what_says_nothing_of_it_goes(desk: Desk, line: str) -> None:
    desk.recv(CAME)
    assert desk.is_gone(desk.send(line))


def test_one_that_is_stored_and_comes_again(desk: Desk) -> None:
    desk.stored.add("M1")
    desk.recv(CAME)
    desk.custody.line("Client", IGNORED)
    assert desk.is_gone(desk.send(RECEIPT))
    assert not desk.lost


def test_one_that_comes_again_while_its_event_is_under_way(desk: Desk) -> None:
    desk.recv(CAME)
    desk.recv(CAME)
    desk.custody.line("Client", IGNORED)
    receipt = desk.send(RECEIPT)
    assert desk.is_held(receipt)
    desk.take_in()
    assert desk.is_gone(receipt)
    assert not desk.lost


def test_one_that_was_lost(desk: Desk) -> None:
    desk.recv(CAME)
    desk.custody.line("Client", IGNORED)
    receipt = desk.send(RECEIPT)
    assert desk.is_held(receipt), "WhatsApp must give it again"
    assert desk.lost == [Lost("M1", "1002:5@lid", "1002@lid")]
    desk.custody.let_go()
    assert desk.is_gone(receipt)


def test_one_that_nobody_asks_for(desk: Desk) -> None:
    desk.asks = False
    desk.recv(CAME)
    desk.custody.line("Client", IGNORED)
    assert desk.is_gone(desk.send(RECEIPT))


def test_only_the_key_of_a_groups_message_was_kept(desk: Desk) -> None:
    desk.recv(GROUP)
    desk.take_in(whole=False)
    desk.custody.line("Client", IGNORED)
    assert desk.is_held(desk.send(RECEIPT))
    assert desk.lost


def test_a_database_that_does_not_say(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def is_stored(message_id: str) -> bool:
        asked.append(message_id)
        if len(asked) == 1:
            raise RuntimeError("the database is away")
        return True

    monkeypatch.setattr(desk.custody, "_is_stored", is_stored)
    desk.recv(CAME)
    desk.custody.line("Client", IGNORED)
    assert desk.is_gone(desk.send(RECEIPT))
    assert asked == ["M1", "M1"]


def test_one_that_cannot_be_read_is_acknowledged_after_it_was_asked_for(desk: Desk) -> None:
    desk.recv(CAME)
    desk.take_in(whole=False)
    ack = desk.send(ACK)
    assert desk.is_held(ack)
    desk.send(RECEIPT.replace("inactive", "retry"))
    assert desk.is_gone(ack)


def test_nobody_is_asked_while_nothing_can_be_kept(desk: Desk) -> None:
    desk.recv(CAME)
    with desk.custody.taking_in("M1", False):
        retry = desk.send(RECEIPT.replace("inactive", "retry"))
        assert desk.is_held(retry), "the fifth is the last"
    assert desk.is_gone(retry)


def test_a_notification_of_a_group_waits_for_what_is_under_way(desk: Desk) -> None:
    with desk.custody.taking_in("", False):
        ack = desk.send('<ack class="notification" id="7" to="12@g.us" type="w:gp2"/>')
        assert desk.is_held(ack)
    assert desk.is_gone(ack)


def test_no_more_is_read_than_can_be_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custody, "UNDER_WAY", 2)
    desk.recv(CAME)
    desk.recv(CAME.replace("M1", "M2"))
    third = threading.Thread(target=desk.recv, args=(CAME.replace("M1", "M3"),))
    desk.threads.append(third)
    third.start()
    assert desk.is_held(third)
    desk.take_in("M2")
    assert desk.is_gone(third)


def test_what_gives_no_event_does_not_stop_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custody, "UNDER_WAY", 2)
    monkeypatch.setattr(custody, "IDLE_SECONDS", 0.2)
    for number in range(5):
        desk.recv(CAME.replace("M1", f"M{number}"))
    assert desk.is_gone(desk.send(RECEIPT))


def test_one_without_an_event_is_let_go_at_last(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custody, "IDLE_SECONDS", 0.3)
    desk.recv(CAME)
    assert desk.is_gone(desk.send(RECEIPT))


def test_a_name_that_looks_like_more(desk: Desk) -> None:
    """What a contact calls itself stands in the line, and is not escaped."""
    desk.recv(CAME.replace("Bob", '" id="M2"><enc x'))
    receipt = desk.send(RECEIPT)
    desk.take_in()
    desk.take_in()
    assert desk.is_gone(receipt)


def test_it_does_not_remember_for_ever(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty instances with 20 messages a second held 16 MiB more each hour."""
    monkeypatch.setattr(custody, "TAKEN_SECONDS", 1)
    for number in range(100):
        desk.take_in(f"early {number}")
    time.sleep(1.2)
    for number in range(5):
        desk.take_in(f"late {number}")
    assert [one for _, one in desk.custody._taken] == [f"late {number}" for number in range(5)]
