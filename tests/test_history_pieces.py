"""Pieces of the phone's history outlive the connector that was given them, also on another machine."""

import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import pytest
from django.db import DatabaseError
from neonize.proto.waHistorySync.WAWebProtobufsHistorySync_pb2 import HistorySync

from chats.models import Contact, Message
from instances.models import Account, HistoryPiece, Instance
from instances.whatsapp import journal, pieces
from instances.whatsapp.events import Party
from instances.whatsapp.history import History
from instances.whatsapp.journal import Journal
from instances.whatsapp.writer import Writer
from tests.worker_process import wait

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def instance(db: None) -> Instance:
    account = Account.objects.create(name="Alice")
    return Instance.objects.create(account=account, name="shop", jid="5511900000001@s.whatsapp.net", lid="1001@lid")


@pytest.fixture
def shared(settings: Any, tmp_path: Path) -> Callable[[str], None]:
    """Be on one machine or another; the keys are in PostgreSQL, as far as this setting says."""
    settings.SESSION_DATABASE_URL = "postgres://shared/keys"

    def on(machine: str) -> None:
        settings.DATA_DIR = tmp_path / machine

    on("one")
    return on


OWN = "5511900000001@s.whatsapp.net"


def ours() -> bytes:
    """A piece with a message that was written on the linked phone."""
    made = HistorySync.FromString(piece())
    made.conversations[0].messages[0].message.key.fromMe = True
    return bytes(made.SerializeToString())


def piece(message_id: str = "3EB01", progress: int | None = 100) -> bytes:
    made = HistorySync(syncType=HistorySync.RECENT, progress=progress)
    past = made.conversations.add(ID="5522@s.whatsapp.net").messages.add().message
    past.key.ID, past.messageTimestamp, past.message.conversation = message_id, 1_700_000_000, "long ago"
    return bytes(made.SerializeToString())


@contextmanager
def connector() -> Iterator[History]:
    writer = Writer(Journal(journal.place()), lambda *_: None)
    history = History(writer, lambda _: None)
    yield history
    history.close()
    writer.close()


def test_whoever_takes_over_has_them(instance: Instance, shared: Callable[[str], None]) -> None:
    pieces.keep(instance, piece())
    shared("two")
    with connector() as history:
        history.resume(instance)
        wait(lambda: not HistoryPiece.objects.exists())
    assert Message.objects.get().text == "long ago"
    instance.refresh_from_db()
    assert instance.history_percent == 100


def test_a_piece_that_does_not_say_how_far_it_is_sets_nothing_back(
    instance: Instance, shared: Callable[[str], None]
) -> None:
    """Was red: it counted as 0 %, and the page said so until the next piece."""
    told: list[int | None] = []
    writer = Writer(Journal(journal.place()), lambda *_: None)
    history = History(writer, lambda at: told.append(at.history_percent))
    for number, progress in enumerate((None, 40, None, 0, 100, None)):
        history.keep(instance, piece(f"3EB0{number}", progress))
    wait(lambda: len(told) == 6)
    history.close()
    writer.close()
    assert told == [None, 40, 40, 0, 100, 100], "0 that was said is 0"
    assert Message.objects.count() == 6
    instance.refresh_from_db()
    assert instance.history_percent == 100


def test_nothing_is_on_the_disk_then(instance: Instance, shared: Callable[[str], None]) -> None:
    assert isinstance(pieces.keep(instance, piece()).place, int)
    assert not pieces.folder(instance.uid).exists()


def test_files_where_keys_are_files(instance: Instance, settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    pieces.keep(instance, piece())
    assert not HistoryPiece.objects.exists()
    assert [path.stat().st_mode & 0o777 for path in pieces.folder(instance.uid).iterdir()] == [0o600]
    with connector() as history:
        history.resume(instance)
        wait(lambda: not list(pieces.folder(instance.uid).iterdir()))
    assert Message.objects.get().text == "long ago"


def test_a_database_that_is_away_loses_none(instance: Instance, shared: Callable[[str], None]) -> None:
    with patch("instances.models.HistoryPiece.objects.create", side_effect=DatabaseError):
        pieces.keep(instance, piece())
    with connector() as history:
        history.resume(instance)
        wait(lambda: Message.objects.exists())
        wait(lambda: not list(pieces.folder(instance.uid).iterdir()))


def test_what_cannot_be_read_is_kept_and_holds_nothing_up(instance: Instance, shared: Callable[[str], None]) -> None:
    pieces.keep(instance, b"\xff no history")
    pieces.keep(instance, piece())
    with connector() as history:
        history.resume(instance)
        wait(lambda: Message.objects.exists() and HistoryPiece.objects.count() == 1)
    assert HistoryPiece.objects.get().damaged
    assert list(pieces.waiting([instance])) == []


def test_one_that_failed_is_found_again(instance: Instance, shared: Callable[[str], None]) -> None:
    pieces.keep(instance, piece())
    with connector() as history:
        with patch("instances.whatsapp.history.read_history", side_effect=OSError) as failing:
            history.resume(instance)
            wait(lambda: failing.called)
        wait(lambda: not history._queued)
        history.resume(instance)
        wait(lambda: not HistoryPiece.objects.exists())
    assert Message.objects.count() == 1


@pytest.mark.parametrize("shared_keys", [True, False])
@pytest.mark.parametrize("then", ["", "5511900000009@s.whatsapp.net"])
def test_a_piece_is_read_as_the_phones_that_sent_it(
    instance: Instance, shared: Callable[[str], None], settings: Any, shared_keys: bool, then: str
) -> None:
    """Was red: after a logout our own messages were nobody's, and after another phone was linked, that one's."""
    settings.SESSION_DATABASE_URL = settings.SESSION_DATABASE_URL if shared_keys else ""
    pieces.keep(instance, ours())
    instance.jid, instance.lid = then, ""
    with connector() as history:
        history.resume(instance)
        wait(lambda: not history._queued and not list(pieces.waiting([instance])))
    message = Message.objects.get()
    assert (message.sender, message.from_me) == (OWN, True)
    assert not Contact.objects.filter(jid="").exists()
    instance.refresh_from_db()
    assert instance.history_percent is None, "it is another phone's"


@pytest.mark.parametrize("shared_keys", [True, False])
def test_a_piece_of_an_earlier_version_waits_until_a_phone_is_linked(
    instance: Instance, shared: Callable[[str], None], settings: Any, shared_keys: bool
) -> None:
    settings.SESSION_DATABASE_URL = settings.SESSION_DATABASE_URL if shared_keys else ""
    linked, instance.jid, instance.lid = instance.jid, "", ""
    pieces.keep(instance, ours())
    ((_, kept),) = pieces.waiting([instance])
    assert kept.own == Party("")
    with connector() as history:
        assert not history._take_in(instance, kept)
        assert not Message.objects.exists()
        instance.jid = linked
        history.resume(instance)
        wait(lambda: not history._queued and not list(pieces.waiting([instance])))
    assert Message.objects.get().sender == OWN


def test_anothers_are_left_alone(instance: Instance, shared: Callable[[str], None]) -> None:
    other = Instance.objects.create(account=instance.account, name="other")
    pieces.keep(other, piece())
    assert list(pieces.waiting([instance])) == []
    assert list(pieces.waiting([])) == []


@pytest.mark.parametrize("failing", ["fsync", "rename"])
def test_a_full_disk_is_waited_for(
    instance: Instance, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """Was red: the piece was lost, since WhatsApp gives it once, and a torn file stayed."""
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(pieces, "RETRY_SECONDS", 0.01)
    left: list[list[str]] = []
    real: Callable[..., Any] = getattr(os, failing)

    def once_full(*given: Any) -> Any:
        left.append([path.suffix for path in pieces.folder(instance.uid).iterdir()])
        if len(left) < 3:
            raise OSError(28, "No space left on device")
        return real(*given)

    monkeypatch.setattr(os, failing, once_full)
    kept = pieces.keep(instance, piece())
    assert kept.read() == piece()
    assert left == [[".part"]] * 3, "nothing torn of the tries before"
    assert [place.suffix for place in pieces.folder(instance.uid).iterdir()] == [".history"]


def test_a_disk_that_can_only_be_read_is_waited_for(
    instance: Instance, shared: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the database away; it is asked again as well, and has it when it is back first."""
    monkeypatch.setattr(pieces, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(pieces, "_write", raising(OSError(30, "Read-only file system")))
    kept: list[pieces.Piece] = []
    with patch("instances.models.HistoryPiece.objects.create", side_effect=DatabaseError) as asked:
        keeping = threading.Thread(target=lambda: kept.append(pieces.keep(instance, piece())))
        keeping.start()
        wait(lambda: asked.call_count > 2)
        assert keeping.is_alive()
    keeping.join(20)
    assert kept[0].read() == piece()


def raising(error: Exception) -> Callable[..., None]:
    def fail(*_: Any) -> None:
        raise error

    return fail


def test_what_a_process_was_killed_over(instance: Instance, settings: Any, tmp_path: Path) -> None:
    """Whole, but without its name yet: it is read. Torn: it is put aside. One that is being written is left alone."""
    settings.DATA_DIR = tmp_path
    place = pieces.folder(instance.uid)
    place.mkdir(parents=True)
    (place / "1.part").write_bytes(piece())
    (place / "2.part").write_bytes(piece("3EB02")[:-9])
    (place / "3.part").touch()
    with open(place / "4.part", "wb") as writing, connector() as history:
        fcntl.flock(writing, fcntl.LOCK_EX)
        history.resume(instance)
        wait(lambda: sorted(path.name for path in place.iterdir()) == ["2.damaged", "4.part"])
    assert [message.message_id for message in Message.objects.all()] == ["3EB01"]


def test_a_look_that_fails_is_not_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Was red: with no file left to be opened, the thread ended, and no history was taken in any more."""
    outcomes: list[OSError | None] = [OSError(errno.EMFILE, "Too many open files"), None]

    def waiting(_: object) -> Iterator[tuple[Instance, pieces.Piece]]:
        if outcome := outcomes.pop(0):
            raise outcome
        return iter(())

    monkeypatch.setattr(pieces, "waiting", waiting)
    history = History(Mock(), lambda _: None)
    history.resume()
    history.resume()
    wait(lambda: not outcomes)
    history.close()
