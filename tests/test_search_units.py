"""PostgreSQL's index as it was made before migrations 0013 (by weeks as words, today by units of time) and 0015.

On SQLite they have nothing to do, and must leave everything as it is.
"""

from datetime import timedelta
from unittest import mock

from django.db import connection

from chats import search
from chats.search import schema
from chats.search.backends.postgres import OVERFULL
from tests.test_search_base import ANA, SALES, START, SearchTestCase

# As migration 0003 made it then; documents had a mark of their week.
OLD = (
    "DROP FUNCTION chats_search_find",
    "DROP INDEX chats_search_words",
    "CREATE INDEX chats_search_words ON chats_search USING gin (words) WITH (gin_pending_list_limit = 1024)",
    "UPDATE chats_search SET words = words || array_to_tsvector(ARRAY[chr(57351) || (key >> 50)])",
)
QUERIES = (
    "word",
    "word -odd",
    "odd",
    "rare",
    "w*",
    "in:sales word",
    "after:2025-06-01 word",
    "before:2024 word",
    "wrd",
)


class Upgrade(SearchTestCase):
    def setUp(self) -> None:
        super().setUp()
        for number in range(120):
            text = f"word {'odd' if number % 2 else 'even'}{' rare' if number == 7 else ''}"
            self.say(text, chat=ANA if number % 3 else SALES, sent_at=START - timedelta(days=9 * number))
        self.before = self.answers()
        if connection.vendor == "postgresql":
            self.run_sql(*OLD)

    def answers(self) -> dict[str, list[int]]:
        return {query: [hit.message.pk for hit in self.page(query).hits] for query in QUERIES}

    def run_sql(self, *statements: str) -> None:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def migrate(self) -> None:
        schema.follow_0013(None, mock.Mock(connection=connection))

    def test_every_search_answers_the_same_and_what_comes_after_is_found(self) -> None:
        assert (len(self.before["odd"]), len(self.before["rare"])) == (50, 1)
        for _ in range(2):
            self.migrate()
            assert self.answers() == self.before
        self.say("word new")
        search.catch_up()
        assert self.found("new") == ["word new"]

    def test_it_is_by_units_now(self) -> None:
        self.migrate()
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'chats_search_words'")
                assert "instance_id <<" in cursor.fetchone()[0]


class Overfull(SearchTestCase):
    def test_a_long_message_of_before_is_found_as_one_of_today(self) -> None:
        texts = ["ha " * 300 + "fim", "ha " * 200 + "fim"]
        for text in texts:
            self.say(text)
        search.catch_up()
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("UPDATE chats_search SET words = ts_delete(words, %s)", [OVERFULL])
            assert self.found('"ha fim"') == texts[1:]
        schema.follow_0015(None, mock.Mock(connection=connection))
        assert search.catch_up() == (connection.vendor == "postgresql"), "and no other is made anew"
        assert sorted(self.found('"ha fim"'), reverse=True) == sorted(texts, reverse=True)
