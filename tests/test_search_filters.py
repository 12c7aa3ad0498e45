"""Filters, and the limit nobody can talk their way past."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chats import search
from chats.models import Chat, Contact, Message, Pin
from chats.search import people, planning
from chats.search.backends import backend, sqlite
from chats.search.backends.sqlite import SqliteBackend
from chats.search.documents import instance_mark
from chats.search.keys import pk_of
from instances.models import Instance
from tests.test_search_base import ANA, SALES, SearchTestCase

EVE = "5511912345678@s.whatsapp.net"


class Scope(SearchTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.say("mine")
        self.say("mine too", instance=self.desk)
        self.say("not mine", instance=self.stall)

    def test_another_account_s_message_never_comes(self) -> None:
        texts = ("mine", "min*", '"mine"', "-foo", "type:text", f"in:{ANA}", "not OR mine", "instance:stall", "-mine")
        for text in texts:
            for row in self.page(text, self.shop, self.desk).hits:
                assert row.message.instance.account == self.alice_account, text

    def test_only_the_instances_in_scope(self) -> None:
        assert self.found("mine") == ["mine"]
        assert self.found("mine", self.shop, self.desk) == ["mine too", "mine"]
        assert self.found("mine", self.stall) == ["not mine"]

    def test_an_empty_scope_sees_nothing(self) -> None:
        search.catch_up()
        assert search.search([], search.parse("mine")).hits == []
        assert search.search([], search.parse("-foo")).hits == []

    def test_a_scope_of_very_many_instances(self) -> None:
        search.catch_up()
        scope = {self.shop.pk, self.desk.pk, *range(100_000, 100_200)}
        texts = [hit.message.text for hit in search.search(scope, search.parse("mine")).hits]
        assert texts == ["mine too", "mine"]
        everything = search.search({*scope, *range(200_000, 203_000)}, search.parse("-foo"))
        assert [hit.message.text for hit in everything.hits] == ["mine too", "mine"]

    def test_the_index_itself_keeps_to_a_wide_scope(self) -> None:
        # Without the instances' marks, as for a scope that is most of all there is.
        search.catch_up()
        with patch.object(planning, "_is_narrow", return_value=False):
            made = planning.make_plan([self.shop.pk], search.parse("mine"), None)
        assert made is not None
        keys = backend().find(made, 50)
        assert [Message.objects.get(pk=pk_of(key)).text for key in keys] == ["mine"]

    def test_nobody_can_type_a_mark(self) -> None:
        assert self.found(instance_mark(self.stall.pk)) == []
        assert self.found(f'mine" OR "{instance_mark(self.stall.pk)}') == []
        assert self.found(f"mine {instance_mark(self.shop.pk)}") == []

    def test_an_index_that_is_wrong_shows_nothing_of_others(self) -> None:
        # The message moves to another account behind the index's back.
        search.catch_up()
        Message.objects.filter(text="mine").update(instance=self.stall)
        assert search.search([self.shop.pk], search.parse("mine")).hits == []


@patch.object(planning, "MAX_EXCLUDED", 500)
class Many(SearchTestCase):
    """More than a tree of an index's language may be deep."""

    def test_very_many_that_are_not_meant(self) -> None:
        chats = [Chat(instance=self.shop, jid=f"{number}@g.us", kind="group", name="Team") for number in range(400)]
        Chat.objects.bulk_create(chats)
        self.say("one")
        self.say("two", chat="7@g.us")
        self.assert_finds("one", "-in:team", "-in:team -from:nobody -words")
        made = planning.make_plan([self.shop.pk], search.parse("-in:team -in:nobody -some -words"), None)
        assert made is not None
        if isinstance(index := backend(), SqliteBackend):
            assert index.expression(made).count(" NOT ") == 1


class Filters(SearchTestCase):
    def test_by_instance(self) -> None:
        self.say("one")
        self.say("two", instance=self.desk)
        both = (self.shop, self.desk)
        assert self.found("instance:desk", *both) == ["two"]
        assert self.found("-instance:desk", *both) == ["one"]
        assert self.found("instance:DESK instance:shop", *both) == ["two", "one"]
        assert self.found("instance:stall", *both) == []
        assert self.found("instance:desk") == []

    def test_by_chat(self) -> None:
        self.say("one", chat=ANA)
        self.say("two", chat=SALES, sender=EVE)
        Chat.objects.filter(jid=SALES).update(name="Vendas São Paulo")
        self.assert_finds("one", f"in:{ANA}", "in:5511987654321", 'in:"+55 11 98765-4321"', "-in:vendas")
        self.assert_finds("two", f"in:{SALES}", "in:vendas", 'in:"sao paulo"', "two in:Vendas")
        self.assert_finds_nothing("in:nobody", "one in:vendas")
        assert self.found(f"in:vendas in:{ANA}") == ["two", "one"]

    def test_by_sender(self) -> None:
        Contact.objects.create(instance=self.shop, jid=EVE, push_name="Éve Polastri")
        self.say("one", chat=SALES, sender=EVE)
        self.say("two", chat=SALES, sender=ANA)
        self.say("three", sender="5511900000000@s.whatsapp.net", from_me=True)
        self.assert_finds("one", f"from:{EVE}", "from:polastri", "from:eve", "from:5511912345678")
        self.assert_finds("two", f"from:{ANA}", "-from:eve -from:me")
        self.assert_finds("three", "from:me", "is:mine")

    def test_by_a_name_with_an_at_sign(self) -> None:
        """Was red: whatever held one was taken for a JID, which nobody had."""
        Contact.objects.create(instance=self.shop, jid=EVE, push_name="Éve @eve.polastri")
        self.say("one", chat=SALES, sender=EVE)
        self.say("two", chat=SALES, sender="1234@lid")
        self.assert_finds("one", "from:@eve.polastri", 'from:"eve @eve"', "from:@Éve", "-from:1234@lid")
        self.assert_finds("two", "from:1234@lid", "-from:@eve")
        self.assert_finds_nothing("from:@nobody", "from:5678@lid")

    def test_by_type(self) -> None:
        self.say("one")
        self.say("two", kind=Message.Kind.IMAGE)
        self.say("three", kind=Message.Kind.DOCUMENT)
        self.assert_finds("two", "type:image", "TYPE:Image", "two type:image", "has:media -type:document")
        assert self.found("type:image type:document") == ["three", "two"]
        assert self.found("has:media") == ["three", "two"]
        self.assert_finds("one", "-has:media")

    def test_by_direction(self) -> None:
        self.say("one")
        self.say("two", from_me=True)
        self.assert_finds("two", "is:mine")
        self.assert_finds("one", "-is:mine")

    def test_by_date(self) -> None:
        for day in (1, 2, 3):
            self.say(f"day {day}", sent_at=datetime(2024, 2, day, 12, tzinfo=UTC))
        self.say("midnight", sent_at=datetime(2024, 2, 4, tzinfo=UTC))
        self.assert_finds("day 2", "on:2024-02-02", "on:2.2.2024", "after:2024-02-01 before:2024-02-03")
        assert self.found("before:2024-02-03") == ["day 2", "day 1"]
        assert self.found("after:2024-02-02") == ["midnight", "day 3"]
        assert self.found("day on:2024-02") == ["day 3", "day 2", "day 1"]
        assert self.found("day on:2024") == ["day 3", "day 2", "day 1"]
        assert self.found("day before:2024") == []
        assert self.found("on:2024-02-03") == ["day 3"]

    def test_dates_are_the_reader_s(self) -> None:
        self.say("late", sent_at=datetime(2024, 2, 2, 1, tzinfo=UTC))
        with timezone.override("America/Sao_Paulo"):
            self.assert_finds("late", "on:2024-02-01")
            self.assert_finds_nothing("on:2024-02-02")

    def test_pinned(self) -> None:
        now = timezone.now()
        pinned, ended, unpinned = self.say("one"), self.say("two"), self.say("three")
        self.say("four")
        Pin.objects.create(message=pinned, state=Pin.State.PINNED, expires_at=now + timedelta(days=1))
        Pin.objects.create(message=ended, state=Pin.State.PINNED, expires_at=now - timedelta(days=1))
        Pin.objects.create(message=unpinned, state=Pin.State.UNPINNED)
        self.assert_finds("one", "is:pinned", "one is:pinned")
        self.assert_finds_nothing("two is:pinned")
        assert self.found("-is:pinned") == ["four", "three", "two"]

    def test_pinned_and_everything_else_that_can_be_typed(self) -> None:
        message = self.say("Red shoes of 2026, 我在东京都等你", sender_name="João", kind=Message.Kind.IMAGE)
        Pin.objects.create(message=message, state=Pin.State.PINNED)
        self.say("Red shoes of 2026, 我在东京都等你", sender_name="João", kind=Message.Kind.IMAGE)
        for text in (
            *("red", '"red shoes"', "sho*", "re* joao", "202*", "shoes-of-20*", "东京", "京都等", "等", "你"),
            *("-green", '-"shoes red"', "type:image", "-type:text", f"in:{ANA}", "-from:me", "on:2026"),
        ):
            assert [hit.message.pk for hit in self.page(f"is:pinned {text}").hits] == [message.pk], text
        for text in (
            *("shoe", '"shoes red"', "-red", "-sho*", '-"red shoes"', "都东", "-东京", "hoes*"),
            *("type:text", "from:me", "after:2999", "-in:55119"),
        ):
            self.assert_finds_nothing(f"is:pinned {text}")

    def test_many_pins_page_by_page(self) -> None:
        messages = [self.say(f"word {number}") for number in range(7)]
        for message in messages[:6]:
            Pin.objects.create(message=message, state=Pin.State.PINNED)
        Message.objects.filter(pk=messages[4].pk).update(deleted_at=timezone.now())
        with patch.object(sqlite, "AMONG", 2):
            first = self.page("is:pinned", limit=3)
            second = self.page("is:pinned", before=first.next, limit=3)
        texts = [hit.message.text for hit in (*first.hits, *second.hits)]
        assert (texts, second.next) == (["word 5", "word 3", "word 2", "word 1", "word 0"], None)

    def test_pins_are_not_looked_for_in_every_list(self) -> None:
        """Was red: SQLite opened each list of the plan once a pin, 1.3 ms for one pin among all types."""
        Pin.objects.create(message=self.say("one"), state=Pin.State.PINNED)
        search.catch_up()
        with CaptureQueriesContext(connection) as asked:
            self.assert_finds("one", "is:pinned")
        assert not [query["sql"] for query in asked if " MATCH " in query["sql"]]

    def test_names_with_more_than_one_blank(self) -> None:
        """Was red: a query has one blank, so that the instance's own entry in the menu found nothing."""
        Instance.objects.filter(pk=self.shop.pk).update(name="The  shop")
        Contact.objects.create(instance=self.shop, jid=ANA, push_name="Ana  Maria\tde\u00a0 Sá")
        self.say("one")
        Chat.objects.filter(jid=ANA).update(name="Ana  Maria")
        self.say("two", instance=self.desk, chat=SALES)
        name = str(search.Query((), (search.Filter("instance", "The  shop"),)))
        for query in (name, 'instance:"the shop"', 'in:"ana maria"', 'from:"ana maria"', 'from:"maria de sa"'):
            assert self.found(query, self.shop, self.desk) == ["one"], query
        assert self.found(f"-{name}", self.shop, self.desk) == ["two"]

    def test_numbers_in_a_database_that_sorts_by_a_language_s_rules(self) -> None:
        """Was red: there a colon comes before the digits or counts for nothing, so that no number began with another.

        PostgreSQL's own image makes such a database; the tests' server comes without any language.
        """
        begins: dict[str, str] = dict(people._number_matches("55119")[0].children)  # type: ignore[arg-type]

        def signs_first(text: str) -> list[tuple[bool, str]]:
            return [(char.isalnum(), char) for char in text]

        def without_signs(text: str) -> str:
            return "".join(filter(str.isalnum, text))

        orders: tuple[Callable[[str], Any], ...] = (signs_first, without_signs, str)
        for sorted_by in orders:
            for jid in ("55119@s.whatsapp.net", "5511987654321@s.whatsapp.net", "5511999999999@lid", "55119-1@g.us"):
                low, high = sorted_by(begins["jid__gte"]), sorted_by(begins["jid__lt"])
                assert low <= sorted_by(jid) < high, (jid, sorted_by)
        Contact.objects.create(instance=self.shop, jid=ANA)
        assert people.numbers({self.shop.pk}, "55119") == {ANA}

    def test_a_filter_that_makes_no_sense_is_words(self) -> None:
        self.say("see type: dream")
        self.assert_finds("see type: dream", "type:dream")
