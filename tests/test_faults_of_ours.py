"""A fault of ours while a message is taken in: no message without a row, and no receipt without one."""

import ctypes
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from neonize.events import Event
from neonize.proto import Neonize_pb2 as pb
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message as WaMessage

from chats.models import Message
from instances.models import Instance
from instances.whatsapp import custody
from instances.whatsapp.adapter import Client, content, jids, library, mending, messages
from instances.whatsapp.adapter.shut import Shut
from instances.whatsapp.custody import Custody
from instances.whatsapp.events import Lost
from instances.whatsapp.journal import Journal
from instances.whatsapp.writer import Writer
from tests.test_adapter import event
from tests.test_custody import ACK, CAME, GROUP, IGNORED, RECEIPT
from tests.test_intake import make_instance
from tests.worker_process import wait

pytestmark = pytest.mark.django_db(transaction=True)

# Longer than a busy machine needs from a line of the log to its event.
IDLE = 0.4


class House:
    """A client with everything of ours behind it, down to the rows; what is the library's is played."""

    def __init__(self, instance: Instance, folder: Path) -> None:
        self.lost: list[Lost] = []
        self.writer = Writer(Journal(folder), lambda *_: None)
        self.custody = Custody(self._is_stored, self._on_lost)
        self.client: Any = Client.__new__(Client)
        self._make(instance)
        self._sending: list[threading.Thread] = []

    def _make(self, instance: Instance) -> None:
        self.client._custody = self.custody
        self.client._shut = Shut(lambda *_: ([], []))

        def listen(arrived: Any) -> None:
            self.writer.put(instance, arrived)

        self.client._listener = listen
        self.client._made = self.client._alive = threading.Event()
        self.client._client = SimpleNamespace(event=Event(None))
        self.client._subscribe()

    def _is_stored(self, message_id: str) -> bool:
        return rows().get(message_id, "unreadable") != "unreadable"

    def _on_lost(self, lost: Lost) -> bool:
        self.lost.append(lost)
        return True

    def hears(self, made: Any, code: int = library.MESSAGE) -> None:
        payload = made.SerializePartialToString()
        buffer = ctypes.create_string_buffer(payload, len(payload))
        execute = self.client._client.event.execute
        library.on_event(weakref.ref(self.client), execute, 0, ctypes.addressof(buffer), len(payload), code)

    def recv(self, message_id: str, line: str = CAME) -> None:
        self.custody.line("Client/Recv", line.replace("M1", message_id))

    def send(self, message_id: str, line: str = RECEIPT) -> threading.Thread:
        self._sending.append(
            threading.Thread(target=self.custody.line, args=("Client/Send", line.replace("M1", message_id)))
        )
        self._sending[-1].start()
        return self._sending[-1]

    def close(self) -> None:
        self.custody.let_go()
        self.writer.close()
        for thread in self._sending:
            thread.join(10)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(custody, "IDLE_SECONDS", IDLE)
    made = House(make_instance(), tmp_path)
    yield made
    made.close()


def rows() -> dict[str, str]:
    return dict(Message.objects.values_list("message_id", "kind"))


def message(message_id: str) -> pb.Message:
    made = event(WaMessage(conversation=message_id))
    made.Info.ID = message_id
    made.Info.ServerID, made.Info.Type, made.Info.Category, made.Info.Multicast = 0, "text", "", False
    made.Info.MediaType, made.Info.Edit = "", ""
    made.Info.MessageSource.BroadcastListOwner.CopyFrom(jids.of("@"))
    for field in pb.Message.DESCRIPTOR.fields:
        if field.name.startswith("Is"):
            setattr(made, field.name, False)
    made.UnavailableRequestID, made.RetryCount = "", 0
    return made


def undecryptable(message_id: str) -> pb.UndecryptableMessage:
    return pb.UndecryptableMessage(Info=message(message_id).Info, IsUnavailable=False)


def is_gone(thread: threading.Thread) -> bool:
    thread.join(10)
    return not thread.is_alive()


def is_held(thread: threading.Thread) -> bool:
    """For longer than one whose event never comes."""
    thread.join(6 * IDLE)
    return thread.is_alive()


def failing_for(message_id: str, real: Callable[..., Any], fault: Exception) -> Callable[..., Any]:
    """A function of ours that has a fault when it comes to one message."""

    def fails(*given: Any) -> Any:
        if message_id in str(given):
            raise fault
        return real(*given)

    return fails


def never(*_: Any, **__: Any) -> NoReturn:
    raise ValueError("never")


FAULTS = [ValueError("a fault of ours"), MemoryError()]


@pytest.mark.parametrize("fault", FAULTS, ids=["fault", "memory"])
@pytest.mark.parametrize("where", ["_content", "mend_texts", "put"])
def test_it_is_there_as_unreadable(house: House, monkeypatch: pytest.MonkeyPatch, where: str, fault: Exception) -> None:
    """Was red: lost without a row, and confirmed."""
    if where == "put":

        def put(instance: Instance, arrived: Any) -> None:
            if arrived.text == "M2":
                raise fault
            real(instance, arrived)

        real = house.writer.put
        monkeypatch.setattr(house.writer, "put", put)
    elif where == "mend_texts":

        def mend(event: Any, leave_out: Any = ()) -> None:
            if isinstance(event, pb.Message) and event.Info.ID == "M2":
                raise fault

        monkeypatch.setattr(mending, "mend_texts", mend)
    else:
        monkeypatch.setattr(content, "read", failing_for("M2", content.read, fault))
    for message_id in ("M1", "M2", "M3"):
        house.recv(message_id)
        house.hears(message(message_id))
    assert all(is_gone(house.send(message_id)) for message_id in ("M1", "M2", "M3"))
    wait(lambda: rows() == {"M1": "text", "M2": "unreadable", "M3": "text"})


def test_one_that_could_not_be_decrypted(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.hears(undecryptable("M1"), library.UNDECRYPTABLE)
    wait(lambda: rows() == {"M1": "unreadable"})
    handler = house.client._client.event.list_func
    monkeypatch.setitem(handler, library.UNDECRYPTABLE, never)
    house.recv("M2")
    house.hears(undecryptable("M2"), library.UNDECRYPTABLE)
    wait(lambda: rows() == {"M1": "unreadable", "M2": "unreadable"})
    assert not house.custody.took("M2"), "it is asked for"


def test_what_cannot_be_kept_at_all_is_not_confirmed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Was red: its receipt went. Others are not held up by it."""
    with monkeypatch.context() as patched:
        patched.setattr(messages, "arrived", failing_for("M2", messages.arrived, MemoryError()))
        for message_id in ("M1", "M2", "M3"):
            house.recv(message_id)
            house.hears(message(message_id))
        receipts = {message_id: house.send(message_id) for message_id in ("M2", "M1", "M3")}
        assert is_gone(receipts["M1"])
        assert is_gone(receipts["M3"])
        assert is_held(receipts["M2"])
        assert is_held(house.send("M2", ACK))
    # WhatsApp gives it again over a new connection, and nobody can decrypt it again.
    house.recv("M2")
    house.custody.line("Client", IGNORED.replace("M1", "M2"))
    again = house.send("M2")
    wait(lambda: [lost.message_id for lost in house.lost] == ["M2"])
    assert is_held(again)
    assert receipts["M2"].is_alive(), "nor does the first go meanwhile"
    wait(lambda: rows() == {"M1": "text", "M3": "text"})


def test_many_of_them_do_not_hold_up_what_comes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custody, "UNDER_WAY", 2)
    with monkeypatch.context() as patched:
        patched.setattr(messages, "arrived", never)
        held = []
        for number in range(5):
            house.recv(f"M{number}")
            house.hears(message(f"M{number}"))
            held.append(house.send(f"M{number}"))
    house.recv("M9")
    house.hears(message("M9"))
    assert is_gone(house.send("M9"))
    assert all(thread.is_alive() for thread in held)


def test_a_groups_message_whose_other_part_was_kept(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.recv("M2", GROUP)
    with monkeypatch.context() as patched:
        patched.setattr(messages, "arrived", never)
        house.hears(message("M2"))
    keys = message("M2")
    keys.Message.Clear()
    keys.Message.senderKeyDistributionMessage.groupID = "120363@g.us"
    house.hears(keys)
    assert is_held(house.send("M2"))


def test_nobody_knows_which_it_was(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """None that is under way is confirmed, until its event is there."""
    for message_id in ("M1", "M2"):
        house.recv(message_id)
    with monkeypatch.context() as patched:
        patched.setattr(content, "read", never)
        patched.setattr(mending, "part", never)
        house.hears(message("M1"))
    house.hears(message("M2"))
    assert is_gone(house.send("M2"))
    assert is_held(house.send("M1"))


def test_a_lost_one_that_cannot_be_asked_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Was red: its receipt went."""
    monkeypatch.setattr(house.custody, "_on_lost", never)
    house.recv("M1")
    house.custody.line("Client", IGNORED)
    assert is_held(house.send("M1"))
