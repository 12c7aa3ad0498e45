"""The journal: what is noted is there after a kill, whatever the disk does meanwhile."""

import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instances.whatsapp import journal
from instances.whatsapp.events import GroupChanged, MessageArrived, Party, PersonKnown, Stored, Target
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
    with left_behind(folder) as found:
        return found


def killed(book: Journal) -> None:
    """What the kernel does for a process that is killed: its files are closed, and nothing else."""
    assert book._page is not None
    os.close(book._page._file)


@settings(deadline=None)
@given(messages | groups | st.builds(PersonKnown, parties, texts))
def test_a_line_says_all_of_an_event(event: Stored) -> None:
    line = encode(UID, event)
    assert line.count(b"\n") == 1
    assert decode(line) == (UID, event)


def test_it_works(tmp_path: Path) -> None:
    book, events = Journal(tmp_path), [text_message(f"M{number}") for number in range(3)]
    pages = [book.note(UID, event) for event in events]
    book.done(pages[:1])
    assert left(tmp_path) == [], "a living process's is left alone"
    killed(book)
    assert left(tmp_path) == [(UID, event) for event in events]
    assert not list(tmp_path.iterdir())


def test_what_is_stored_goes(tmp_path: Path) -> None:
    book = Journal(tmp_path)
    book.done([book.note(UID, text_message("M1")), book.note(UID, text_message("M2"))])
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [0]
    book.close()
    assert not list(tmp_path.iterdir())


def test_it_goes_on_in_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "FILE_BYTES", 500)
    book, events = Journal(tmp_path), [text_message(f"M{number}") for number in range(20)]
    pages = [book.note(UID, event) for event in events]
    assert len(list(tmp_path.iterdir())) > 5
    book.done(pages[:10])
    killed(book)
    for page in {*pages[10:]} - {book._page}:
        os.close(page._file)
    assert [event for _, event in left(tmp_path)][-10:] == events[10:]


def test_nobody_takes_it_away_before_it_is_stored(tmp_path: Path) -> None:
    book = Journal(tmp_path)
    book.note(UID, text_message("M1"))
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
    book.note(UID, text_message("M1"))

    def half(file: int, line: bytes) -> int:
        if not full.is_set():
            return write(file, line)
        write(file, line[:20])
        raise OSError(28, "No space left on device")

    full.set()
    monkeypatch.setattr(os, "write", half)
    noting = threading.Thread(target=book.note, args=(UID, text_message("M2")))
    noting.start()
    noting.join(0.1)
    assert noting.is_alive()
    assert "No space left" in book.troubled
    full.clear()
    noting.join(10)
    assert book.troubled == ""
    killed(book)
    assert [event.message_id for _, event in left(tmp_path) if isinstance(event, MessageArrived)] == ["M1", "M2"]


def test_what_the_database_refuses_is_kept(tmp_path: Path) -> None:
    Journal(tmp_path).refuse(UID, text_message("M1"))
    assert decode((tmp_path / "refused").read_bytes()) == (UID, text_message("M1"))


def test_nobody_else_reads_it(tmp_path: Path) -> None:
    page = Page(tmp_path / "1.journal")
    assert page.path.stat().st_mode & 0o077 == 0
    page.close()
