"""Order and pages."""

from datetime import UTC, datetime, timedelta

from chats import search
from tests.test_search_base import START, SearchTestCase


class Pages(SearchTestCase):
    def all_pages(self, text: str, limit: int) -> list[str]:
        texts: list[str] = []
        before = None
        while True:
            page = self.page(text, before=before, limit=limit)
            texts += [hit.message.text for hit in page.hits]
            if page.next is None:
                return texts
            before = search.Cursor.parse(str(page.next))

    def test_newest_first(self) -> None:
        for number in range(7):
            self.say(f"word {number}")
        newest_first = [f"word {number}" for number in reversed(range(7))]
        for limit in (1, 2, 3, 7, 8):
            assert self.all_pages("word", limit) == newest_first

    def test_the_last_page_says_so(self) -> None:
        for number in range(4):
            self.say(f"word {number}")
        page = self.page("word", limit=2)
        assert page.next is not None
        assert self.page("word", before=page.next, limit=2).next is None

    def test_history_that_arrives_late_takes_its_place(self) -> None:
        self.say("word new")
        self.say("word old", sent_at=START - timedelta(days=900))
        self.say("word ancient", sent_at=datetime(1999, 1, 1, tzinfo=UTC))
        self.say("word newest")
        assert self.found("word") == ["word newest", "word new", "word old", "word ancient"]

    def test_messages_of_one_second_keep_the_order_they_came_in(self) -> None:
        for number in range(5):
            self.say(f"word {number}", sent_at=START)
        assert self.all_pages("word", 2) == [f"word {number}" for number in reversed(range(5))]

    def test_what_arrives_meanwhile_neither_skips_nor_repeats(self) -> None:
        for number in range(10):
            self.say(f"word {number}")
        first = self.page("word", limit=4)
        self.say("word, just now")
        self.say("word, late", sent_at=START - timedelta(days=1))
        second = self.page("word", before=first.next, limit=50)
        texts = [hit.message.text for hit in (*first.hits, *second.hits)]
        assert texts == [*(f"word {number}" for number in reversed(range(10))), "word, late"]

    def test_a_page_whose_last_message_is_gone(self) -> None:
        messages = [self.say(f"word {number}") for number in range(5)]
        first = self.page("word", limit=2)
        messages[3].delete()
        rest = self.page("word", before=first.next, limit=50)
        assert [hit.message.text for hit in rest.hits] == ["word 2", "word 1", "word 0"]

    def test_hits_spread_over_years(self) -> None:
        # More than PostgreSQL's way of looking fetches at once, thin and thick.
        for number in range(60):
            self.say(f"word {number}", sent_at=START - timedelta(days=30 * number))
        assert self.all_pages("word", 7) == [f"word {number}" for number in range(60)]

    def test_a_cursor_is_a_plain_number(self) -> None:
        assert search.Cursor.parse("12") == search.Cursor(12)
        for text in ("", "-1", "x", "1.5", "1" * 30, "9" * 19, "\u0661", " 1"):
            assert search.Cursor.parse(text) is None


class Snippets(SearchTestCase):
    def snippet(self, text: str, query: str) -> list[tuple[str, bool]]:
        self.say(text)
        return list(self.page(query).hits[0].snippet)

    def test_it_works(self) -> None:
        assert self.snippet("The Ação is on", "acao") == [("The ", False), ("Ação", True), (" is on", False)]

    def test_of_a_long_text(self) -> None:
        pieces = self.snippet("word " * 100 + "here it is " + "word " * 100, "here")
        assert ("here", True) in pieces
        assert sum(len(text) for text, _ in pieces) < 250
        assert pieces[0] == ("…", False)
        assert pieces[-1][0].endswith("…")

    def test_prefix_and_phrase(self) -> None:
        assert ("Obrigado", True) in self.snippet("Obrigado por tudo", "obri*")
        assert ("tudo", True) in self.snippet("Obrigado por tudo", '"por tudo"')

    def test_chinese(self) -> None:
        assert self.snippet("我在东京都等", "京都") == [("我在东", False), ("京都", True), ("等", False)]

    def test_found_by_name_only(self) -> None:
        self.say("hello", sender_name="Ana")
        assert self.page("ana").hits[0].snippet == (("hello", False),)
