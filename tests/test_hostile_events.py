"""Events of the library's that no honest client brings about, as Go hands them over: bytes."""

import ctypes
import threading
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neonize.proto import Neonize_pb2 as pb
from neonize.proto.Neonize_pb2 import LogEntry
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message
from neonize.proto.waHistorySync.WAWebProtobufsHistorySync_pb2 import HistorySync

from instances.whatsapp.adapter import Client, jids, library, mending, messages, read_history
from instances.whatsapp.custody import Custody
from instances.whatsapp.events import HistoryArrived, MessageArrived, Party
from tests.test_adapter import event

pytestmark = pytest.mark.sqlite_only

OWN = Party("5511900000001@s.whatsapp.net", "1001@lid")
ENVELOPE = Message.DESCRIPTOR.fields_by_name["groupMentionedMessage"].number


def sized(number: int, content: bytes) -> bytes:
    return mending._varint(number << 3 | 2) + mending._varint(len(content)) + content


def deep(levels: int) -> bytes:
    """A message in envelopes: Go opens 10,000."""
    content = bytes(Message(conversation="far down").SerializeToString())
    for _ in range(levels):
        content = sized(ENVELOPE, sized(1, content))
    return content


class Told:
    """A client of which only what hears events is real."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.client: Any = Client.__new__(Client)
        self.client._custody = Custody(lambda _: True, lambda _: False)
        self.client._listener = self.events.append
        self.client._made = self.client._alive = threading.Event()

    def hears(self, payload: bytes, code: int, size: int | None = None) -> None:
        buffer = ctypes.create_string_buffer(payload, len(payload))
        handler: Callable[..., None] = lambda *_: self._execute(payload, code)  # noqa: E731
        library.on_event(
            weakref.ref(self.client), handler, 0, ctypes.addressof(buffer), len(payload) if size is None else size, code
        )

    def _execute(self, payload: bytes, code: int) -> None:
        assert code == library.MESSAGE
        message = pb.Message()
        message.MergeFromString(payload)
        mending.mend_texts(message, leave_out=("Raw",))
        self.events.append(messages.read(message, lambda *_: ([], [])))


@pytest.fixture
def told() -> Told:
    return Told()


def of_bob(content: bytes) -> bytes:
    made = event(Message())
    made.ClearField("Message")
    made.Info.ServerID, made.Info.Type, made.Info.Category, made.Info.Multicast = 0, "text", "", False
    made.Info.MediaType, made.Info.Edit = "", ""
    made.Info.MessageSource.BroadcastListOwner.CopyFrom(jids.of("@"))
    return bytes(made.SerializePartialToString()) + sized(2, content)


def test_what_is_deeper_than_python_reads_is_there_as_unreadable(told: Told) -> None:
    """Was red: it was lost without a word, and its receipt sent."""
    told.hears(of_bob(deep(300)), library.MESSAGE)
    (arrived,) = told.events
    assert isinstance(arrived, MessageArrived)
    assert (arrived.kind, arrived.message_id, arrived.push_name) == ("unreadable", "3EB01", "Bob")
    assert told.client._custody.took("3EB01"), "it waits for nothing else"


def test_text_that_is_no_utf_8(told: Told) -> None:
    """Was red: bytes went as far as the journal, which cannot write them; lost, and its receipt sent."""
    told.hears(of_bob(sized(1, b"a\xff\xfeb")), library.MESSAGE)
    assert told.events[0].text == "a\ufffd\ufffdb"


def test_no_utf_8_in_every_text(told: Told) -> None:
    poll = Message.DESCRIPTOR.fields_by_name["pollCreationMessage"]
    fields = poll.message_type.fields_by_name
    option = sized(fields["options"].number, sized(1, b"\xff"))
    told.hears(of_bob(sized(poll.number, sized(fields["name"].number, b"\xc0") + option)), library.MESSAGE)
    assert told.events[0].data == {"options": ["\ufffd"]}


@pytest.mark.parametrize("payload", [b"", b"\xff" * 50, b"\x0a\xff\xff\xff\xff\x0f", of_bob(b"\xff")[:-3]])
@pytest.mark.parametrize("code", [library.MESSAGE, library.HISTORY, 22, 99])
def test_what_is_no_event_ends_nothing(told: Told, payload: bytes, code: int) -> None:
    told.hears(payload, code)


def test_history_is_not_read_when_it_comes(told: Told) -> None:
    told.hears(sized(1, b"anything"), library.HISTORY)
    assert told.events == [HistoryArrived(b"anything")]


def test_a_piece_of_history_without_measure_is_not_even_copied(told: Told) -> None:
    told.hears(b"", library.HISTORY, size=library.MOST_HISTORY + 1)  # Whoever read it would read foreign memory.
    assert told.events == []


def test_one_deep_message_does_not_cost_a_piece_of_history() -> None:
    """Was red: the whole piece was put aside as damaged."""
    made = HistorySync(syncType=HistorySync.RECENT, progress=40)
    for number in range(3):
        chat = made.conversations.add(ID=f"100{number}@lid")
        past = chat.messages.add().message
        past.key.ID, past.messageTimestamp, past.message.conversation = f"3EB0{number}", 1_700_000_000, f"text {number}"
    web_message = past.DESCRIPTOR.fields_by_name["message"].number
    bad = sized(2, sized(1, sized(1, b"") + sized(web_message, deep(300))))
    poisoned = made.SerializeToString() + sized(2, sized(1, b"1009@lid") + bad)
    _, told = read_history(poisoned, OWN)
    assert [one.text for one in told if isinstance(one, MessageArrived)] == ["text 0", "text 1", "text 2"]


@pytest.mark.parametrize("stamp", [0, -1, -62_135_596_800_000, 2**53, 2**62])
def test_a_time_that_is_none_is_now(stamp: int) -> None:
    """Was red: beyond the year 9999 the message was lost; of year 1 nobody finds it."""
    made = event(Message(conversation="x"))
    made.Info.Timestamp = stamp
    arrived = messages.read(made, lambda *_: ([], []))
    assert arrived is not None
    assert abs((arrived.sent_at - datetime.now(UTC)).total_seconds()) < 60


def test_a_line_of_the_log_that_is_no_utf_8_is_heard() -> None:
    """Was red: a contact whose name is none had no ticks, and their receipts waited for nobody."""
    heard: list[tuple[str, str]] = []
    told = Told()
    told.client.heard = lambda *line: heard.append(line)
    entry = LogEntry(Name="Client/Recv", Level="DEBUG", Message="<message x>")
    line = entry.SerializeToString().replace(b"x>", b"\xff>")
    buffer = ctypes.create_string_buffer(line, len(line))
    library.on_log(weakref.ref(told.client), ctypes.addressof(buffer), len(line))
    assert heard == [("Client/Recv", "<message \ufffd>")]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([library.MESSAGE, library.HISTORY]))
def test_no_bytes_are_an_error(payload: bytes, code: int) -> None:
    Told().hears(payload, code)
