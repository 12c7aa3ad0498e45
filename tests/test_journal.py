"""The journal: what is noted is there after a kill, whatever the disk does meanwhile."""

import errno
import fcntl
import json
import os
import threading
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instances.whatsapp import journal
from instances.whatsapp.events import GroupChanged, MessageArrived, Party, PersonKnown, PinSettled, Stored, Target
from instances.whatsapp.journal import Journal, Page, decode, encode, left_behind

pytestmark = pytest.mark.sqlite_only
UID = uuid4()

NOW = datetime(2026, 11, 24, 12, 30, 15, 250, tzinfo=UTC)


def text_message(message_id: str) -> MessageArrived:
    return MessageArrived(message_id, Party("1@lid"), Party("1@lid"), False, False, NOW, "text", "hello\u2028there")


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
parties = st.builds(Party, texts, texts)
times = st.datetimes(timezones=st.just(UTC))
whole = st.integers(0, 2**31)
data = st.dictionaries(texts, st.one_of(texts, whole, st.booleans(), st.lists(texts)), max_size=3)
messages = st.builds(
    MessageArrived, texts, parties, parties, st.booleans(), st.booleans(), times, texts, texts, texts, texts,
    st.none() | st.builds(Target, texts, st.booleans(), texts), st.none() | whole, whole, st.none() | whole, data,
)  # fmt: skip
groups = st.builds(
    GroupChanged, texts, times, st.none() | texts, st.none() | st.booleans(), st.none() | st.booleans(), texts,
    st.none() | parties, st.lists(parties, max_size=3).map(tuple), data,
    st.none() | st.lists(texts, max_size=3).map(tuple),
)  # fmt: skip


def left(folder: Path) -> list[tuple[UUID, Stored]]:
    found = []
    with left_behind(folder) as files:
        for file in files:
            found += file.read()
            file.forget()
    return found


def killed(book: Journal) -> None:
    """What the kernel does for a process that is killed: its files are closed, and nothing else."""
    assert book._page is not None
    os.close(book._page._file)


@settings(deadline=None)
@given(messages | groups | st.builds(PersonKnown, parties, texts, texts))
def test_a_line_says_all_of_an_event(event: Stored) -> None:
    line = encode(UID, event)
    assert line.count(b"\n") == 1
    assert decode(line) == (UID, event)


def test_it_works(tmp_path: Path) -> None:
    book, events = Journal(tmp_path), [text_message(f"M{number}") for number in range(3)]
    pages = [book.note(encode(UID, event)) for event in events]
    book.done(pages[:1])
    assert left(tmp_path) == [], "a living process's is left alone"
    killed(book)
    assert left(tmp_path) == [(UID, event) for event in events]
    assert not list(tmp_path.iterdir())


def test_what_is_stored_goes(tmp_path: Path) -> None:
    book = Journal(tmp_path)
    book.done([book.note(encode(UID, text_message("M1"))), book.note(encode(UID, text_message("M2")))])
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [0]
    book.close()
    assert not list(tmp_path.iterdir())


def test_a_disk_that_breaks_while_something_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Was red: the one thread that stores messages ended, and its process lived on; who had sent one heard nothing."""
    book = Journal(tmp_path)
    first = book.note(encode(UID, text_message("M1")))

    def broken(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as disk:
        disk.setattr(os, "ftruncate", broken)
        book.done([first])
    book.done([book.note(encode(UID, text_message("M2")))])
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [0], "mended, it goes on"


def test_it_goes_on_in_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "FILE_BYTES", 500)
    book, events = Journal(tmp_path), [text_message(f"M{number}") for number in range(20)]
    pages = [book.note(encode(UID, event)) for event in events]
    assert len(list(tmp_path.iterdir())) > 5
    book.done(pages[:10])
    killed(book)
    for page in {*pages[10:]} - {book._page}:
        os.close(page._file)
    assert [event for _, event in left(tmp_path)][-10:] == events[10:]


def test_nobody_takes_it_away_before_it_is_stored(tmp_path: Path) -> None:
    book = Journal(tmp_path)
    book.note(encode(UID, text_message("M1")))
    killed(book)
    with pytest.raises(OSError, match="the database"), left_behind(tmp_path):
        raise OSError("the database is away")
    assert len(left(tmp_path)) == 1


def test_a_line_cut_off(tmp_path: Path) -> None:
    (tmp_path / "1.journal").write_bytes(encode(UID, text_message("M1")) + encode(UID, text_message("M2"))[:40])
    assert [event for _, event in left(tmp_path)] == [text_message("M1")]


def test_a_full_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of a line that went through is taken back: the next must not be glued to it."""
    monkeypatch.setattr(journal, "RETRY_SECONDS", 0.01)
    book, write, full = Journal(tmp_path), os.write, threading.Event()
    book.note(encode(UID, text_message("M1")))

    def half(file: int, line: bytes) -> int:
        if not full.is_set():
            return write(file, line)
        write(file, line[:20])
        raise OSError(28, "No space left on device")

    full.set()
    monkeypatch.setattr(os, "write", half)
    noting = threading.Thread(target=book.note, args=(encode(UID, text_message("M2")),))
    noting.start()
    noting.join(1)
    assert noting.is_alive()
    assert "No space left" in book.troubled
    full.clear()
    noting.join(10)
    assert book.troubled == ""
    killed(book)
    assert [event.message_id for _, event in left(tmp_path) if isinstance(event, MessageArrived)] == ["M1", "M2"]


def test_what_the_database_refuses_is_kept(tmp_path: Path) -> None:
    Journal(tmp_path).refuse(UID, text_message("M1"))
    Journal(tmp_path).refuse(UID, text_message("M2"))
    assert [decode(line)[1] for line in aside(tmp_path)] == [text_message("M1"), text_message("M2")]
    assert (tmp_path / "refused").stat().st_mode & 0o077 == 0


def aside(folder: Path) -> list[bytes]:
    return (folder / "refused").read_bytes().splitlines()


def test_nobody_else_reads_it(tmp_path: Path) -> None:
    page = Page(tmp_path / "1.journal")
    assert page.path.stat().st_mode & 0o077 == 0
    page.close()


def test_a_file_that_was_taken_for_a_dead_processs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Was red: who looked between our making it and our locking it deleted it, and all we noted there with it."""
    monkeypatch.setattr(journal, "RETRY_SECONDS", 0.01)
    lock, looked = fcntl.flock, threading.Event()

    def somebody_was_quicker(file: int, how: int) -> None:
        if not looked.is_set():
            looked.set()
            assert left(tmp_path) == []
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", somebody_was_quicker)
    book = Journal(tmp_path)
    book.note(encode(UID, text_message("M1")))
    killed(book)
    assert left(tmp_path) == [(UID, text_message("M1"))]


# --- Lines of other versions ------------------------------------------------------------


A, B = "5511900000001@s.whatsapp.net", "1001@lid"
# As this version writes them, with something in each field. Who renames a field, or gives one another form, adds to
# `decode` what reads these; they stay. A new field gets a line of its own.
GOLDEN: list[tuple[str, Stored]] = [
    (
        '{"uid": "9f0c1f6e3c5b4a6d8e7f001122334455", "is": "MessageArrived", "message_id": "3EB01", '
        '"chat": {"jid": "1001@lid", "alt": "5511900000001@s.whatsapp.net"}, "sender": {"jid": "1001@lid", "alt": ""}, '
        '"is_group": true, "from_me": true, "sent_at": "2026-11-24T12:30:15.000250+00:00", "kind": "pin", '
        '"text": "ol\\u00e1", "push_name": "Bob", "quoted_id": "3EB00", '
        '"target": {"message_id": "3EB02", "by_same_author": true, "participant": "1001@lid"}, '
        '"pin_duration": 86400, "disappears_after": 604800, "status": 3, "data": {"options": ["yes", "no"]}}',
        MessageArrived(
            "3EB01", Party(B, A), Party(B), True, True, NOW, "pin", "olá", "Bob", "3EB00", Target("3EB02", True, B),
            86_400, 604_800, 3, {"options": ["yes", "no"]},
        ),
    ),
    (
        '{"uid": "9f0c1f6e3c5b4a6d8e7f001122334455", "is": "GroupChanged", "jid": "12@g.us", '
        '"at": "2026-11-24T12:30:15.000250+00:00", "name": "Sales", "locked": true, "announce": false, '
        '"text": "Ana joined", "actor": {"jid": "1001@lid", "alt": ""}, '
        '"people": [{"jid": "5511900000001@s.whatsapp.net", "alt": "1001@lid"}], "change": {"added": ["1001@lid"]}, '
        '"admins": ["1001@lid"]}',
        GroupChanged(
            "12@g.us", NOW, "Sales", True, False, "Ana joined", Party(B), (Party(A, B),), {"added": [B]}, (B,)
        ),
    ),
    (
        '{"uid": "9f0c1f6e3c5b4a6d8e7f001122334455", "is": "PersonKnown", '
        '"person": {"jid": "5511900000001@s.whatsapp.net", "alt": "1001@lid"}, "push_name": "Bob", '
        '"name": "Bob the plumber"}',
        PersonKnown(Party(A, B), "Bob", "Bob the plumber"),
    ),
    (
        '{"uid": "9f0c1f6e3c5b4a6d8e7f001122334455", "is": "PinSettled", '
        '"attempt": "00112233445566778899aabbccddeeff", "outcome": "acknowledged", '
        '"at": "2026-11-24T12:30:15.000250+00:00", "stanza_id": "3EB0AA", "detail": "late"}',
        PinSettled("00112233445566778899aabbccddeeff", "acknowledged", NOW, "3EB0AA", "late"),
    ),
]  # fmt: skip


def test_what_earlier_versions_wrote_is_read(tmp_path: Path) -> None:
    (tmp_path / "1.journal").write_text("".join(f"{line}\n" for line, _ in GOLDEN))
    assert left(tmp_path) == [(UUID("9f0c1f6e3c5b4a6d8e7f001122334455"), event) for _, event in GOLDEN]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", journal._KINDS.values())
def test_every_field_stands_in_a_golden_line(kind: type[Any]) -> None:
    named = {name for line, event in GOLDEN if type(event) is kind for name in json.loads(line)}
    assert named - {"uid", "is"} == {field.name for field in fields(kind)}


def test_a_newer_versions_fields_are_left_out_and_kept_aside(tmp_path: Path) -> None:
    """Was red: after a downgrade every message that waited was deleted unread."""
    values = json.loads(encode(UID, text_message("M1"))) | {"mood": "good"}
    values["chat"]["third"] = "name"
    line = json.dumps(values).encode()
    (tmp_path / "1.journal").write_bytes(line + b"\n" + encode(UID, text_message("M2")))
    assert left(tmp_path) == [(UID, text_message("M1")), (UID, text_message("M2"))]
    assert aside(tmp_path) == [line]
    assert [path.name for path in tmp_path.iterdir()] == ["refused"]


@pytest.mark.parametrize(
    "line",
    [
        encode(UID, text_message("M1")).replace(b'"message_id"', b'"stanza"').strip(),
        encode(UID, text_message("M1")).replace(b"MessageArrived", b"Sung").strip(),
        encode(UID, text_message("M1"))[:-9],
        b"5",
        b'{"uid": 5}',
        b"[" * 5000,
        b"\x00" * 9,
    ],
)
def test_a_whole_line_that_cannot_be_read_does_not_vanish(tmp_path: Path, line: bytes) -> None:
    """Was red: it was deleted, or ended whoever read it."""
    (tmp_path / "1.journal").write_bytes(line + b"\n" + encode(UID, text_message("M2")))
    assert left(tmp_path) == [(UID, text_message("M2"))]
    assert aside(tmp_path) == [line]


def test_it_stays_while_it_cannot_be_kept_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "1.journal").write_bytes(b"of another version\n")

    def half(file: int, content: bytes) -> int:
        return write(file, content[:5])

    write = os.write
    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="the disk is full"):
        left(tmp_path)
    monkeypatch.setattr(os, "write", write)
    assert left(tmp_path) == []
    assert aside(tmp_path) == [b"of another version"]
