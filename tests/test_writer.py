"""The one thread that stores: how much waits for it, what it takes over, and what it survives."""

import itertools
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.db import DatabaseError, InterfaceError, OperationalError
from django.utils import timezone

from chats import pinbook
from chats.intake import Taken, take_in
from chats.models import Message, Pin, PinEvent
from chats.pinbook import Asker, Wish
from instances.models import Instance
from instances.whatsapp import database, journal, sending, writer
from instances.whatsapp.commands import PinOrder
from instances.whatsapp.events import MessageArrived, Party, Stored
from instances.whatsapp.journal import Journal, encode, left_behind
from instances.whatsapp.waiting import Waiting
from instances.whatsapp.writer import Writer
from tests.test_intake import OWN_LID, OWN_PHONE, arrived, make_instance, own
from tests.worker_process import wait

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def instance(db: None) -> Instance:
    return make_instance()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writer]:
    """A writer that waits for nothing long."""
    monkeypatch.setattr(writer, "RETRY_SECONDS", (0.01,))
    made = Writer(Journal(tmp_path / "ours"), lambda *_: None)
    yield made
    made.close()


def ids() -> set[str]:
    return set(Message.objects.values_list("message_id", flat=True))


class Away:
    """An intake whose database can be away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.away = True
        monkeypatch.setattr(writer, "take_in", self)

    def __call__(self, instance: Instance, events: list[Stored], live: bool = True) -> Taken:
        if self.away:
            raise OperationalError("the database is away")
        return take_in(instance, events, live=live)


# --- Whose it is -------------------------------------------------------------------------


def test_our_own_that_wait_while_the_phone_is_unlinked(
    desk: Writer, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Was red: by the LID alone, which then was nobody's, they were another's than those the phone tells anew."""
    database = Away(monkeypatch)
    desk.put(instance, replace(own("M1"), sender=Party(OWN_LID)))
    instance.jid = instance.lid = ""
    database.away = False
    wait(Message.objects.exists)
    assert Message.objects.get().sender == OWN_PHONE


# --- What came of our pins -----------------------------------------------------------------


@pytest.mark.parametrize("error", [OperationalError("the server is gone"), InterfaceError("the connection is closed")])
def test_an_outcome_that_the_database_does_not_take(
    desk: Writer, instance: Instance, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Was red: after five minutes, or at a connection that was closed, WhatsApp's acknowledgement was forgotten."""
    desk.write_now(instance, [arrived("M1")])
    until = timezone.now() + timedelta(minutes=1)
    opening = pinbook.open_attempt(Message.objects.get(), Wish(86_400), Asker("Alice"), until)
    assert opening.attempt
    order = PinOrder(
        deadline=0, epoch=1, attempt=opening.attempt.hex, chat="c", message_id="M1", from_me=False, participant=None,
        duration=86_400,
    )  # fmt: skip
    client = mock.Mock()
    client.send_pin.return_value = ("3EB0AA", timezone.now())
    store = mock.Mock(side_effect=partial(desk.write_now, instance))
    with monkeypatch.context() as away:
        away.setattr(sending, "database", mock.Mock(call=mock.Mock(side_effect=error)))
        answer = sending.send_pin(order, store, client)
    assert answer == {"stanza_id": "3EB0AA"}
    assert store.call_count == 1
    assert Pin.objects.get().state == Pin.State.PINNED
    assert [line.kind for line in PinEvent.objects.order_by("pk")] == ["asked", "acknowledged"]


# --- The queue --------------------------------------------------------------------------


def test_large_messages_wait_as_few_do(desk: Writer, instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Was red: 10,000 of 16 MB each would have been queued while the database is away."""
    monkeypatch.setattr(desk, "_queue", Waiting(writer.QUEUE, 100_000))
    desk._thread = threading.Thread(target=desk._run, daemon=True)
    desk._thread.start()
    database = Away(monkeypatch)

    def put() -> None:
        for number in range(30):
            desk.put(instance, arrived(f"M{number:02}", "x" * 40_000))

    putting = threading.Thread(target=put)
    putting.start()
    try:
        putting.join(0.5)
        assert putting.is_alive(), "WhatsApp is held up"
        assert desk.waiting == 3, "two are less than there is room for, and one gets in besides"
    finally:
        database.away = False
    wait(lambda: len(ids()) == 30)
    putting.join(20)
    assert list(Message.objects.order_by("pk").values_list("message_id", flat=True)) == sorted(ids()), "in order"


def test_one_that_is_larger_than_all_room_gets_in() -> None:
    queue: Waiting[int] = Waiting(10, 100)
    queue.put(1, 5_000)
    assert queue.take(10) == [1]
    queue.put(2, 99)
    queue.put(3, 5_000)
    assert queue.take(1) == [2]
    late = threading.Thread(target=queue.put, args=(4, 1))
    late.start()
    late.join(0.1)
    assert late.is_alive()
    assert queue.take(10) == [3]
    late.join(10)
    assert queue.take(10) == [4]


def test_so_many_wait_at_most() -> None:
    queue: Waiting[int] = Waiting(2, 100)
    queue.put(1, 1)
    queue.put(2, 1)
    third = threading.Thread(target=queue.put, args=(3, 1))
    third.start()
    third.join(0.1)
    assert third.is_alive()
    assert queue.take(10) == [1, 2]
    third.join(10)
    queue.close()
    queue.put(4, 1)
    assert (queue.take(10), queue.take(10)) == ([3], []), "what was put is taken, then it ends"


def test_whoever_waits_is_let_go_at_the_end() -> None:
    queue: Waiting[int] = Waiting(1, 100)
    queue.put(1, 1)
    second = threading.Thread(target=queue.put, args=(2, 1))
    second.start()
    queue.close()
    second.join(10)
    assert not second.is_alive()


# --- Taking over -----------------------------------------------------------------------------


def leave(folder: Path, instance: Instance, files: int, each: int, size: int = 5) -> list[str]:
    """What a killed process leaves; returns the messages' ids."""
    folder.mkdir()
    names = [[f"F{file:02}-{number:03}" for number in range(each)] for file in range(files)]
    for file, of_one in enumerate(names):
        lines = (encode(instance.uid, arrived(name, "x" * size)) for name in of_one)
        (folder / f"{file:020}-1.journal").write_bytes(b"".join(lines))
    return [name for of_one in names for name in of_one]


def test_it_is_taken_over_file_by_file(desk: Writer, instance: Instance, tmp_path: Path, monkeypatch: Any) -> None:
    """Was red: all of it was read before anything was stored, so one that memory did not hold was never stored."""
    left = leave(tmp_path / "dead", instance, files=40, each=10, size=10_000)
    taken: list[str] = []
    files: list[int] = []

    def store(_: Instance, events: list[Stored], live: bool = True) -> Taken:
        taken.extend(event.message_id for event in events if isinstance(event, MessageArrived))
        files.append(len(list((tmp_path / "dead").iterdir())))
        return Taken()

    monkeypatch.setattr(writer, "take_in", store)
    tracemalloc.start()
    desk.take_over(tmp_path / "dead")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken == left, "in order"
    assert files == list(range(40, 0, -1)), "each goes when it is stored"
    assert peak < 1_000_000, "4 MB were there"


def test_a_kill_in_the_middle_costs_nothing(
    desk: Writer, instance: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = leave(tmp_path / "dead", instance, files=3, each=3)
    batches: list[int] = []

    def dies(one: Instance, events: list[Stored], live: bool = True) -> Taken:
        batches.append(len(events))
        if len(batches) == 2:
            raise KeyboardInterrupt
        return take_in(one, events, live=live)

    with monkeypatch.context() as patched:
        patched.setattr(writer, "take_in", dies)
        with pytest.raises(KeyboardInterrupt):
            desk.take_over(tmp_path / "dead")
    assert ids() == set(left[:3])
    desk.take_over(tmp_path / "dead")
    assert ids() == set(left)
    assert not list((tmp_path / "dead").iterdir())


def test_what_a_deleted_instance_left_goes(desk: Writer, instance: Instance, tmp_path: Path) -> None:
    leave(tmp_path / "dead", instance, files=1, each=2)
    Instance.objects.all().delete()
    desk.take_over(tmp_path / "dead")
    assert not list((tmp_path / "dead").iterdir())


# --- What it survives -----------------------------------------------------------------------


@pytest.mark.parametrize("fault", [AttributeError("a fault of ours"), KeyError("another"), MemoryError("never enough")])
def test_a_fault_of_ours_costs_one_event(
    desk: Writer, instance: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """Was red: it ended the one thread that stores, or had it try for ever, and nothing came in any more."""
    monkeypatch.setattr(writer, "RETRY_SECONDS", (0.01,))

    def faulty(one: Instance, events: list[Stored], live: bool = True) -> Taken:
        if any(isinstance(event, MessageArrived) and event.message_id == "M1" for event in events):
            raise fault
        return take_in(one, events, live=live)

    monkeypatch.setattr(writer, "take_in", faulty)
    for number in range(3):
        desk.put(instance, arrived(f"M{number}"))
    wait(lambda: ids() == {"M0", "M2"})
    wait((tmp_path / "ours" / "refused").exists)
    assert b'"M1"' in (tmp_path / "ours" / "refused").read_bytes()


def test_a_database_that_goes_away_under_another_name(
    desk: Writer, instance: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Was red: a message that came at that moment was put aside, as one that cannot be stored."""
    monkeypatch.setattr(writer, "RETRY_SECONDS", (0.01,))
    real, tries = database.call, itertools.count()

    def call(work: Any, *args: Any, **fields: Any) -> Any:
        if next(tries) < 20:
            raise DatabaseError("the connection is closed")
        return real(work, *args, **fields)

    monkeypatch.setattr(database, "call", call)
    desk.put(instance, arrived("M1"))
    wait(lambda: ids() == {"M1"})
    assert not (tmp_path / "ours" / "refused").exists()


def test_no_memory_for_a_batch(desk: Writer, instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Was red: the same."""
    tries: list[int] = []

    def short(one: Instance, events: list[Stored], live: bool = True) -> Taken:
        tries.append(len(events))
        if len(events) > 1 or len(tries) < 4:
            raise MemoryError
        return take_in(one, events, live=live)

    monkeypatch.setattr(writer, "take_in", short)
    assert desk.write_now(instance, [arrived("M1"), arrived("M2")])
    assert ids() == {"M1", "M2"}
    assert tries == [2, 1, 1, 1, 1]


def test_what_is_refused_stays_while_it_cannot_be_kept_aside(
    instance: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Was red: with the disk full it was in neither place."""

    def refuses(*_: Any, **__: Any) -> None:
        raise ValueError("never")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    desk = Writer(Journal(tmp_path), lambda *_: None)
    with monkeypatch.context() as patched:
        patched.setattr(writer, "take_in", refuses)
        patched.setattr(journal, "_keep_aside", full)
        assert not desk.write_now(instance, [arrived("M1")])
    desk.close()
    with left_behind(tmp_path) as files:
        assert [event for _, event in files[0].read()] == [arrived("M1")]
