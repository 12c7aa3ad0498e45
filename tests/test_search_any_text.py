"""No text that a person can type is an error or an injection."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from chats.search.query import parse
from chats.search.snippet import snippets
from chats.search.tokens import _fold, fold, tokens
from tests.test_search_base import SearchTestCase

# ruff: noqa: RUF001
PIECES = [
    *"abé\"'*-+:();&|!<>\\%_^{}[]~#,.\x00\ue001\ue002\ue100\u200d中の는กكا👍🏽\u0301\ufe0f\u3099\ud7ff ",
    "in:", "from:", "instance:", "type:", "before:", "after:", "on:", "is:", "has:", "image", "pinned", "mine",
    "2024-02-30", "2024-13", "0000", "9999", "9999-12-31", "31.12.9999", "today", "AND", "OR", "NOT", "NEAR(",
    "media", "words:", "rowid:", "<->", ":*", ":A", "' OR 1=1 --", "+55 11 98765-4321", "1" * 20, "me",
]  # fmt: skip
typed = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
some = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.sqlite_only
class TestParsing:
    @given(typed)
    @settings(max_examples=500)
    def test_a_query_turned_to_text_is_the_same_query(self, text: str) -> None:
        query = parse(text)
        assert parse(str(query)) == query

    @given(typed)
    @settings(max_examples=500)
    def test_folding_twice_is_folding_once(self, text: str) -> None:
        assert fold(fold(text)) == fold(text)

    @given(typed)
    @settings(max_examples=500)
    def test_folding_word_by_word_is_folding_the_whole(self, text: str) -> None:
        assert fold(text) == (text.lower() if text.isascii() else _fold(text))

    @given(typed)
    @settings(max_examples=500)
    def test_tokens_hold_nothing_that_means_something_to_a_database(self, text: str) -> None:
        words, singles = tokens(text)
        for token in {*words, *singles}:
            assert token
            assert not set(token) & set(" \t\n\"'\\&|!():*<>\x00\ue001\ue002\ue100")

    @given(typed, typed)
    @settings(max_examples=300)
    def test_a_snippet_is_a_part_of_the_text(self, text: str, query: str) -> None:
        shown = "".join(piece for piece, _ in snippets(parse(query))(text))
        assert shown.strip("…") in text

    def test_a_very_long_text_is_quickly_understood(self) -> None:
        for text in ('"' * 100_000, "- " * 50_000, "in:" * 50_000, "a " * 50_000, "+1" * 50_000):
            assert len(str(parse(text))) <= 3_000


class TestSearching(TestCase, SearchTestCase):
    """On the database of the run: SQLite or PostgreSQL."""

    @given(typed)
    @some
    def test_no_text_is_an_error(self, text: str) -> None:
        self.say("a word in:the image")
        for hit in self.page(text).hits:
            assert hit.message.instance_id == self.shop.pk

    @given(typed)
    @some
    def test_any_message_can_be_stored_and_found_by_its_own_words(self, text: str) -> None:
        message = self.say(text.replace("\x00", ""))
        for word in tokens(message.text)[0][:3]:
            hits = self.page(f'"{word}"').hits
            assert [hit.message.pk for hit in hits] == [message.pk], word
