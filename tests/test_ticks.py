"""The one thread that notes how far messages have come: what it survives, and what it asks for again."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DataError, OperationalError, connection

from chats import delivery, news
from chats.intake import take_in
from chats.models import Message
from instances.models import Instance
from instances.whatsapp import ticks
from instances.whatsapp.events import Party, Receipt
from instances.whatsapp.ticks import Ticks
from tests.test_intake import BOB_LID, make_instance, own
from tests.worker_process import wait

pytestmark = pytest.mark.django_db(transaction=True)

AT = datetime(2026, 3, 1, 12, 1, tzinfo=UTC)


def read(*message_ids: str) -> Receipt:
    return Receipt(Party(BOB_LID), Party(BOB_LID), message_ids, "read", AT)


def status(message_id: str = "M1") -> int | None:
    return Message.objects.get(message_id=message_id).status


def is_read(message_id: str = "M1") -> Callable[[], bool]:
    return lambda: status(message_id) == Message.Status.READ


class Database:
    """What notes receipts; fails for those it is told, and counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fault: Exception | None = None
        self.fails_for: Callable[[Receipt], bool] = lambda _: False
        self.asked: list[list[Receipt]] = []
        monkeypatch.setattr(delivery, "advance", self._advance)

    def _advance(self, instance: Instance, receipts: Sequence[Receipt], real: Any = delivery.advance) -> Any:
        self.asked.append(list(receipts))
        if self.fault is not None and any(map(self.fails_for, receipts)):
            raise self.fault
        return real(instance, receipts)


@pytest.fixture
def instance(db: None) -> Instance:
    made = make_instance()
    take_in(made, [own("M1"), own("M2")])
    return made


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    return Database(monkeypatch)


@pytest.fixture
def desk(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ticks]:
    """One that waits for nothing long."""
    monkeypatch.setattr(ticks, "RETRY_SECONDS", 0.1)
    made = Ticks()
    yield made
    made.close()


def test_it_works(desk: Ticks, instance: Instance) -> None:
    desk.put(instance, read("M1"))
    wait(is_read())


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite takes any id")
def test_an_id_that_the_database_refuses(desk: Ticks, instance: Instance) -> None:
    """Was red: all that came of this instance waited behind it, for ever."""
    desk.put(instance, read("A\0"))
    desk.put(instance, read("M1"))
    wait(is_read())


@pytest.mark.parametrize("fault", [DataError("no"), ValueError("a fault of ours"), MemoryError()])
def test_one_that_is_not_taken(
    desk: Ticks, instance: Instance, database: Database, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """Was red: the others waited behind it, or the thread ended. It is tried for as long as others, and let go."""
    monkeypatch.setattr(ticks, "WAIT_SECONDS", 2.0)
    database.fault, database.fails_for = fault, lambda receipt: "bad" in receipt.message_ids
    for receipt in (read("a"), read("bad"), read("M1"), read("b"), read("M2")):
        desk.put(instance, receipt)
    wait(is_read("M1"))
    wait(is_read("M2"))
    wait(lambda: database.asked.count([read("bad")]) > 1)
    time.sleep(2.5)
    assert database.asked.count([read("bad")]) < 5
    assert not desk._strangers
    assert desk._thread.is_alive()


def test_what_waits_for_the_database(desk: Ticks, instance: Instance, database: Database) -> None:
    database.fault, database.fails_for = OperationalError("away"), lambda _: True
    desk.put(instance, read("M1"))
    wait(lambda: len(database.asked) > 2)
    database.fault = None
    wait(is_read())


def test_one_that_overtakes_its_message(desk: Ticks, instance: Instance) -> None:
    desk.put(instance, read("M1", "M3"))
    wait(is_read())
    take_in(instance, [own("M3")])
    wait(is_read("M3"))


def test_one_for_a_message_that_nobody_has(desk: Ticks, instance: Instance, database: Database) -> None:
    """Was red: the database was asked for it each second, and the others had to wait for that second."""
    desk.put(instance, read("strange"))
    time.sleep(3)
    assert 2 <= len(database.asked) <= 4
    desk.put(instance, read("M1"))
    wait(is_read())


def test_news_that_cannot_be_told(desk: Ticks, instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Was red: the thread ended."""

    def fail(*_: Any) -> None:
        raise ValueError("a fault of ours")

    monkeypatch.setattr(news, "status_changed", fail)
    desk.put(instance, read("M1"))
    wait(is_read("M1"))
    desk.put(instance, read("M2"))
    wait(is_read("M2"))


def kept(shelf: Any) -> list[tuple[str, ...]]:
    return [one.receipt.message_ids for one in shelf.take()]


def test_so_many_messages_wait_at_most(instance: Instance) -> None:
    """Was red: so many receipts, each of which may name a thousand messages; and the newest were let go."""
    shelf = ticks._Shelf(4)

    def some(*ids: str) -> ticks._Kept:
        return ticks._Kept(instance, read(*ids), 0.0)

    shelf.put([some("A", "B"), some("C"), some("D", "E")])
    assert kept(shelf) == [("C",), ("D", "E")]
    shelf.put([some("C")])
    shelf.put([some("A"), some("B")], in_front=True)
    assert kept(shelf) == [("A",), ("B",), ("C",)]
    shelf.put([some(*"ABCDEFG")])
    assert len(shelf.take(lambda one: "X" in one.receipt.message_ids)) == 0
    assert kept(shelf) == [tuple("ABCDEFG")], "one that is larger than all room"
    assert not shelf


def test_what_comes_on_many_threads(instance: Instance) -> None:
    shelf = ticks._Shelf(10**6)
    one = ticks._Kept(instance, read("A"), 0.0)

    def put() -> None:
        for _ in range(1000):
            shelf.put([one])

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    taken = 0
    while any(thread.is_alive() for thread in threads):
        taken += len(shelf.take())
    assert taken + len(shelf.take()) == 4000
