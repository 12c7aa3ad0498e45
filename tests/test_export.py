"""Exports of a search: every hit, in files that spreadsheets and programs read, for those who may take them away."""

import csv
import io
import json
import threading
import time
import tracemalloc
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import DatabaseError
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisTestCase

from chats import export, search
from chats.export import formats, run
from chats.models import Chat, Message
from portal.models import AuditLine
from tests.base import ApiTestCase
from tests.page_base import PageTestCase, Role
from tests.test_search_base import ANA, SALES, START, SearchTestCase


def read(answer: Any) -> str:
    """The whole file."""
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content).decode()


def table(text: str) -> list[dict[str, str]]:
    """A CSV file's lines by their heading."""
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


@override_settings(EXPORT_RATE="1000/m")
class ExportTestCase(PageTestCase, SearchTestCase, ApiTestCase):
    def setUp(self) -> None:
        super().setUp()
        # Unlike the web server, a test may leave an answer without closing it.
        self.enterContext(mock.patch.object(run, "_places", threading.BoundedSemaphore(run.AT_ONCE)))

    def page_file(self, who: str, q: str, kind: str = "csv") -> Any:
        search.catch_up()
        return self.open(who, "/search/export/", q=q, format=kind)

    def api_file(self, q: str, kind: str = "csv", token: str | None = None) -> Any:
        search.catch_up()
        self.client.logout()
        headers = {"token": self.alice if token is None else token}
        return self.client.get("/api/chat/export/shop", {"q": q, "format": kind}, headers=headers)


class TheFile(ExportTestCase):
    def test_it_works(self) -> None:
        self.say("paid invoice 7", sender_name="Ana", message_id="3EB0A", quoted_id="3EB0Q")
        self.say("something else")
        last = self.say("invoice 8", from_me=True, edited_at=START, chat=SALES)
        Chat.objects.filter(pk=last.chat_id).update(name="Sales")
        rows = table(read(self.page_file("alice", "invoice")))
        assert list(rows[0]) == list(formats.COLUMNS)
        assert [row["text"] for row in rows] == ["invoice 8", "paid invoice 7"]
        assert rows[0]["chatName"] == "Sales"
        assert (rows[0]["fromMe"], rows[0]["editedAt"]) == ("true", "2026-02-16T18:00:00Z")
        assert rows[1] == {
            "timestamp": "2026-02-16T18:01:00Z",
            "instance": "shop",
            "chatJid": ANA,
            "chatName": "",
            "senderJid": ANA,
            "senderName": "Ana",
            "fromMe": "false",
            "type": "text",
            "text": "paid invoice 7",
            "messageId": "3EB0A",
            "quotedId": "3EB0Q",
            "editedAt": "",
        }

    def test_json(self) -> None:
        self.say('paid "invoice"\r\nthank you ✓', quoted_id="3EB0Q")
        found = json.loads(read(self.page_file("alice", "invoice", "json")))
        assert (found["success"], found["count"]) == (True, 1)
        assert found["messages"][0]["text"] == 'paid "invoice"\r\nthank you ✓'
        assert found["messages"][0]["quotedId"] == "3EB0Q"
        assert found["messages"][0]["editedAt"] is None
        assert list(found["messages"][0]) == list(formats.COLUMNS)

    def test_nothing_found(self) -> None:
        assert table(read(self.page_file("alice", "nothing"))) == []
        found = json.loads(read(self.page_file("alice", "nothing", "json")))
        assert found == {"success": True, "messages": [], "count": 0}

    def test_dress(self) -> None:
        self.say("word")
        answer = self.page_file("alice", "word")
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert answer["Content-Disposition"].startswith('attachment; filename="messages-2')
        assert (answer["X-Total-Count"], answer["X-Heading-Lines"]) == ("1", "1")
        assert "no-store" in answer["Cache-Control"]
        read(answer)

    def test_what_a_spreadsheet_would_calculate(self) -> None:
        starts = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
        for start in starts:
            self.say(f"{start}word", sender_name=f"{start}cmd")
        rows = table(read(self.page_file("alice", "word")))
        assert len(rows) == len(starts)
        for row in rows:
            assert row["text"].startswith("'")
            assert row["senderName"].startswith("'")

    def test_every_filter_of_the_page(self) -> None:
        self.say("word one", sender_name="Ana")
        self.say("word two", chat=SALES, sender="5511900000009@s.whatsapp.net", kind="image")
        self.say("word three", from_me=True, sent_at=START - timedelta(days=40))
        self.say("word four", instance=self.desk)
        self.say("word gone", deleted_at=START)
        for text in (
            *("word", "word two", '"word three"', "wor*", "word -one", "type:image", "has:media", "is:mine", "from:me"),
            *("in:5511987654321", f"in:{SALES}", "from:5511900000009", "before:2026-02", "after:2026-01", "on:2026-02"),
            *("instance:shop", "instance:desk", "-instance:desk word", "is:pinned", "-type:image", "-is:mine word"),
        ):
            with self.subTest(text):
                page = [hit.message.text for hit in self.page(text, self.shop, self.desk).hits]
                assert [row["text"] for row in table(read(self.page_file("alice", text)))] == page
                api = [hit.message.text for hit in self.page(text, self.shop).hits]
                assert [row["text"] for row in table(read(self.api_file(text)))] == api
        assert self.page("word", self.shop, self.desk).hits

    def test_batches_neither_skip_nor_repeat_while_messages_arrive(self) -> None:
        for number in range(11):
            self.say(f"word {number}")
        search.catch_up()
        with mock.patch.object(search, "MAX_LIMIT", 3):
            pieces = iter(self.page_file("alice", "word").streaming_content)
            seen = next(pieces) + next(pieces)
            self.say("word, just now")
            search.catch_up()
            seen += b"".join(pieces)
        assert [row["text"] for row in table(seen.decode())] == [f"word {number}" for number in reversed(range(11))]


class AnyText(HypothesisTestCase):
    @given(texts=st.lists(st.text(max_size=40), max_size=6))
    def test_it_works(self, texts: list[str]) -> None:
        chat = Chat(jid=ANA, name="=Sales")
        messages = [
            Message(chat=chat, instance_id=1, sent_at=START, kind="text", text=text, sender_name=text) for text in texts
        ]
        batches = [messages[:2], messages[2:]]
        lines = "".join(formats.as_csv(batches, {1: "@shop"}))
        rows = table(lines)
        assert lines.count("\r") == len(texts) + 1
        for text, row in zip(texts, rows, strict=True):
            assert not row["text"].startswith(formats.FORMULA)
            assert (row["chatName"], row["instance"]) == ("'=Sales", "'@shop")
            # Nothing is added but what keeps a cell from calculating, and nothing taken away.
            plain = text.replace("\r\n", "\n").replace("\r", "\n")
            assert row["text"].replace("'", "") == plain.replace("'", "")
        whole = "".join(formats.as_json(batches, {1: "shop"}))
        assert whole.count("\r") == len(texts)
        assert [one["text"] for one in json.loads(whole)["messages"]] == texts


class WhoMayExport(ExportTestCase):
    def test_a_viewer_may_not(self) -> None:
        self.say("word")
        answer = self.page_file("vera", "word")
        assert answer.status_code == 403
        assert answer.content.decode() == "You may search here, but not export. Ask an administrator for it."
        assert "/search/export/" not in self.open("vera", "/search/", q="word").content.decode()
        for who in ("alice", "bob", "root"):
            assert "/search/export/?q=word&amp;format=csv" in self.open(who, "/search/", q="word").content.decode()

    def test_only_what_one_may_see(self) -> None:
        self.say("word of the shop")
        self.say("word of the desk", instance=self.desk)
        self.say("word next door", instance=self.charlies_shop)
        for who, wanted in (
            ("alice", {"word of the shop", "word of the desk"}),
            ("bob", {"word of the shop"}),
            ("charlie", {"word next door"}),
        ):
            assert {row["text"] for row in table(read(self.page_file(who, "word")))} == wanted

    def test_what_one_may_only_look_at_is_left_out(self) -> None:
        self.join("vera", self.charlie_account, Role.OPERATOR).instances.add(self.charlies_shop)
        self.say("word of the shop")
        self.say("word next door", instance=self.charlies_shop)
        assert [row["text"] for row in table(read(self.page_file("vera", "word")))] == ["word next door"]

    def test_nobody(self) -> None:
        assert self.page_file("", "word").status_code == 302
        assert self.page_file("nobody", "word").status_code == 403

    def test_tokens(self) -> None:
        self.say("word of the shop")
        self.say("word of the desk", instance=self.desk)
        for token in (self.alice, self.alice_shop, self.bob):
            assert [row["text"] for row in table(read(self.api_file("word", token=token)))] == ["word of the shop"]
        self.assert_error(self.api_file("word", token=""), 401, "Missing token in header")
        self.assert_error(self.api_file("word", token="wap_x"), 401, "Invalid token")
        sentence = "Instance token does not match the requested instance"
        self.assert_error(self.api_file("word", token=self.bob_desk), 403, sentence)
        self.assert_error(self.api_file("word", token=self.charlie_stall), 403, sentence)
        # Charlie has a shop too, and nothing in it.
        assert table(read(self.api_file("word", token=self.charlie))) == []

    def test_it_stands_in_the_audit(self) -> None:
        self.say("word")
        read(self.page_file("bob", "word type:text"))
        line = AuditLine.objects.get(action="messages exported")
        assert (line.actor, line.action, line.target) == ("bob", "messages exported", "shop")
        assert (line.detail, line.account) == ("1 as csv: word type:text", self.alice_account)
        read(self.api_file("word", "json"))
        line = AuditLine.objects.first()  # type: ignore[assignment]
        assert (line.actor, line.detail) == ("token 'Alice'", "1 as json: word")

    def test_without_its_line_in_the_audit_nothing_goes_out(self) -> None:
        self.say("word")
        with mock.patch("portal.audit.record_token", side_effect=DatabaseError):
            assert self.api_file("word").status_code == 500
        assert run._places._value == run.AT_ONCE


class Refused(ExportTestCase):
    def test_nothing_to_search_for(self) -> None:
        for q in ("", "  "):
            assert self.page_file("alice", q).status_code == 400
            self.assert_error(self.api_file(q), 400, "Invalid parameter: q is required: what to search for")

    def test_a_format_there_is_not(self) -> None:
        assert self.page_file("alice", "word", "xlsx").status_code == 400
        self.assert_error(self.api_file("word", "xlsx"), 400, "Invalid parameter: format must be one of csv, json")

    def test_csv_when_none_is_named(self) -> None:
        answer = self.client.get("/api/chat/export/shop", {"q": "word"}, headers={"token": self.alice})
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        read(answer)

    @override_settings(EXPORT_RATE="2/m")
    def test_too_often(self) -> None:
        for _ in range(2):
            read(self.page_file("alice", "word"))
            read(self.api_file("word"))
        assert self.page_file("alice", "word").status_code == 429
        self.assert_error(self.api_file("word"), 429, "Rate limit exceeded. Try again later.")
        # Bob has an allowance of his own.
        read(self.page_file("bob", "word"))

    def test_too_many_at_once(self) -> None:
        self.say("word")
        search.catch_up()
        query = search.parse("word")
        exports = [export.Export([self.shop], query, "csv", lambda total: None) for _ in range(run.AT_ONCE)]
        sentence = "Too many exports are running: try again in a few minutes"
        self.assert_error(self.api_file("word"), 503, sentence)
        refused = self.page_file("alice", "word")
        assert (refused.status_code, refused.content.decode()) == (503, sentence)
        # The pins' file holds a thread as they do.
        assert self.client.get("/pins/pins.csv").status_code == 503
        # One that was given up before its first piece gives its place back, and once only.
        for _ in range(2):
            exports[0].close()
        read(self.api_file("word"))
        assert run._places._value == 1
        for one in exports[1:]:
            one.close()
        assert run._places._value == run.AT_ONCE

    def test_pins_that_cannot_be_audited_give_their_place_back(self) -> None:
        self.client.raise_request_exception = False
        with mock.patch("chats.views.export._note", side_effect=DatabaseError):
            assert self.open("alice", "/pins/pins.csv").status_code == 500
        assert run._places._value == run.AT_ONCE

    def test_one_that_fails_gives_its_place_back(self) -> None:
        with mock.patch.object(search, "count", side_effect=DatabaseError), pytest.raises(DatabaseError):
            export.begin([self.shop], search.parse("word"), "csv", lambda total: None)
        assert run._places._value == run.AT_ONCE


class Memory(SearchTestCase):
    """Batch after batch takes the same; measured once with 100,000 messages (docs/search-internals.md)."""

    ROWS, BATCH = 3_000, 50

    def test_it_is_flat(self) -> None:
        fill(self.say("first"), self.ROWS)
        with mock.patch.object(search, "MAX_LIMIT", self.BATCH):
            batches = search.walk([self.shop.pk], search.parse("type:text"))
            lines, peaks = 0, []
            tracemalloc.start()
            self.addCleanup(tracemalloc.stop)
            for number, piece in enumerate(formats.as_csv(batches, {self.shop.pk: "shop"})):
                lines += piece.count("\r\n")
                if number % 10 == 9:
                    peaks.append(tracemalloc.get_traced_memory()[1])
                    tracemalloc.reset_peak()
        assert lines == self.ROWS + 1
        assert max(peaks[1:]) < 1.3 * min(peaks[1:]), peaks


def fill(first: Message, rows: int) -> None:
    """More messages like this one, a second apart, up to so many."""
    Message.objects.bulk_create(
        (
            Message(
                instance=first.instance,
                chat=first.chat,
                sender=first.sender,
                message_id=f"3EB1{number:012X}",
                from_me=False,
                sent_at=START + timedelta(seconds=number),
                kind=Message.Kind.TEXT,
                text=f"message {number} " + "to be exported " * 5,
                wire_chat=first.wire_chat,
                wire_sender=first.wire_sender,
            )
            for number in range(rows - 1)
        ),
        batch_size=1_000,
    )
    search.catch_up()


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("a;=1+1", "a;'=1+1"),
        ('a;"=1+1', "a;\"'=1+1"),
        ("a\n=1+1", "a\n'=1+1"),
        ("a\n@SUM(1)", "a\n'@SUM(1)"),
        ("a\t-1", "a\t'-1"),
        ("a; -1", "a; '-1"),
        ("to buy:\n- oil\n- wax", "to buy:\n- oil\n- wax"),
        ("5 = 5; b", "5 = 5; b"),
    ],
)
def test_where_semicolons_part_cells(text: str, cell: str) -> None:
    """Was red: Excel in Portuguese takes what follows a semicolon or a line break for a cell of its own."""
    assert formats.cell(text) == cell


def test_a_cell_of_nothing_but_separators_takes_no_time() -> None:
    began = time.process_time()
    for sign in '\n;\t" ':
        formats.cell(sign * 65_536)
    assert time.process_time() - began < 2
