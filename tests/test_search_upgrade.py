"""Migration 0011: SQLite's index as it was made before, with its documents inside FTS5, becomes today's."""

import os
import signal
import traceback
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from chats import search
from chats.models import Message
from chats.search import index, schema
from chats.search.backends import sqlite
from chats.search.backends.base import Backend
from chats.search.documents import Document
from chats.search.keys import key_of
from tests.test_search_base import ANA, SALES, SearchTestCase

pytestmark = pytest.mark.sqlite_only

TABLE = "CREATE VIRTUAL TABLE chats_search USING fts5(words, tokenize='ascii', columnsize=0)"
TO_OLD = ("DROP TABLE chats_search", "DROP TABLE chats_searchdocument", TABLE)
CHECK = "INSERT INTO chats_search (chats_search) VALUES ('integrity-check')"
QUERIES = (
    "parcel", "par", "pa", "parc", '"the gate"', "gate -code", "code", "9999", "字", "📌", "from:ana", "in:sales",
    "type:text", "é", "encomenda", "before", "after", "secret", "gone", "moved", "-x", "shed OR gate", "the",
)  # fmt: skip


class OldBackend(sqlite.SqliteBackend):
    """How documents were written and taken out before."""

    def write(self, documents: Sequence[Document]) -> None:
        self.remove(document.key for document in documents)
        rows = [(document.key, self.stored(document)) for document in documents]
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO chats_search (rowid, words) VALUES (%s, %s)", rows)

    def remove(self, keys: Iterable[int]) -> None:
        with connection.cursor() as cursor:
            cursor.executemany("DELETE FROM chats_search WHERE rowid = %s", [(key,) for key in keys])


def run(on: BaseDatabaseWrapper, *statements: str) -> list[Any]:
    """The rows of the last one."""
    with on.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


class Upgrade(SearchTestCase):
    def setUp(self) -> None:
        super().setUp()
        run(connection, *TO_OLD)
        old: Backend = OldBackend()
        with mock.patch.object(index, "backend", return_value=old):
            self.fill()
            self.before = self.answers()

    def fill(self) -> None:
        """A shop's life: said, edited, deleted, forgotten, filed under another time."""
        for number in range(30):
            self.say(f"the parcel {number} at the gate, code {number * 1111}", chat=ANA if number % 2 else SALES)
        self.say("uma encomenda é boa 📌 字字", chat=SALES)
        self.edited, self.deleted, self.gone, self.moved = (
            self.say(text) for text in ("before it was changed", "a secret", "gone soon", "moved in time")
        )
        search.catch_up()
        self.edited.text = "after it was changed"
        self.edited.save()
        self.deleted.deleted_at = timezone.now()
        self.deleted.save()
        self.gone.delete()
        self.moved.sent_at = self.moved.sent_at.replace(year=2020)
        self.moved.save()
        search.catch_up()

    def answers(self) -> dict[str, list[str]]:
        return {query: self.found(query) for query in QUERIES}

    def migrate(self) -> None:
        schema.follow_0011(None, mock.Mock(connection=connection))
        run(connection, CHECK)

    def test_every_search_answers_the_same(self) -> None:
        assert len(self.before["parcel"]) == 30
        assert (self.before["after"], self.before["before"]) == (["after it was changed"], [])
        assert (self.before["moved"], self.before["secret"], self.before["gone"]) == (["moved in time"], [], [])
        self.migrate()
        assert self.answers() == self.before
        keys = [key_of(at, pk) for at, pk in Message.objects.filter(deleted_at=None).values_list("sent_at", "pk")]
        assert [key for (key,) in run(connection, "SELECT key FROM chats_searchdocument ORDER BY key")] == sorted(keys)

    def test_what_it_took_over_can_be_changed_and_deleted(self) -> None:
        self.migrate()
        self.edited.text = "and once more"
        self.edited.save()
        self.moved.delete()
        Message.objects.filter(text__startswith="the parcel").update(deleted_at=timezone.now())
        self.assert_finds("and once more", "once", "more")
        self.assert_finds_nothing("after", "moved", "parcel", "gate")
        run(connection, CHECK)
        assert run(connection, "SELECT count(*) FROM chats_searchdocument") == [(2,)]

    def test_what_waits_for_the_index_meanwhile_is_not_lost(self) -> None:
        self.edited.text = "changed before, indexed after"
        self.edited.save()
        self.moved.sent_at = self.moved.sent_at.replace(year=2021)
        self.moved.save()
        self.say("the newest")
        self.migrate()
        self.assert_finds("changed before, indexed after", "indexed")
        self.assert_finds("moved in time", "moved")
        self.assert_finds("the newest", "newest")
        self.assert_finds_nothing("was")
        run(connection, CHECK)

    def test_again_it_changes_nothing(self) -> None:
        for _ in range(2):
            self.migrate()
        assert self.answers() == self.before


@pytest.mark.django_db
def test_killed_at_any_statement_and_run_again(tmp_path: Path) -> None:
    """On a file: the process dies as by `kill -9`, and the next one finds the index whole, the old one or the new."""

    def open_file() -> Any:
        return type(connections["default"])(
            {**connection.settings_dict, "NAME": str(tmp_path / "db.sqlite3")}, "upgrade"
        )

    words = "SELECT rowid FROM chats_search WHERE chats_search MATCH 'word1' ORDER BY rowid"
    kept = 0
    with closing(open_file()) as on:
        rows = ((key << 31 | number, f"word{number % 7} all") for number, key in enumerate(range(900, 400, -1)))
        run(on, TABLE)
        with on.cursor() as cursor:
            cursor.executemany("INSERT INTO chats_search (rowid, words) VALUES (%s, %s)", list(rows))
        found = run(on, words)
    assert len(found) == 72
    while _dies(open_file, kept):
        with closing(open_file()) as on:
            assert run(on, words) == found, f"killed at its statement {kept}"
            tables = {name for (name,) in run(on, "SELECT name FROM sqlite_master")}
            assert ("chats_search_content" in tables) != ("chats_searchdocument" in tables), tables
        kept += 1
    assert kept == 8
    with closing(open_file()) as on:
        run(on, CHECK)
        assert run(on, words) == found
        assert run(on, "SELECT count(*) FROM chats_searchdocument") == [(500,)]


def _dies(open_file: Any, at: int) -> bool:
    """Migrate in a process that kills itself before its statement `at`; False when it came through."""
    child = os.fork()
    if child == 0:
        left = at

        def die(execute: Any, *arguments: Any) -> Any:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return execute(*arguments)

        try:
            on = connections["upgrade"] = open_file()
            with on.schema_editor() as editor:
                with on.execute_wrapper(die):
                    schema.follow_0011(None, editor)
                # Before it is committed.
                die(lambda: None)
            on.close()
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, "the migration failed"
    return False
