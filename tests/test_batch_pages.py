"""Ticking messages and pinning them together, on the pages."""

from typing import Any
from unittest import mock
from urllib.parse import urlencode

from django.utils import timezone

from chats import pinbook
from chats.errands import batch as rules
from chats.errands.batch import By, Wanted
from chats.models import Batch, BatchItem
from chats.pinbook import Wish
from chats.search import catch_up
from tests.page_base import PageTestCase


class BatchPageTest(PageTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.messages = [self.make_message(name) for name in ("A", "B")]

    def add(self, who: str = "bob", act: str = "pin:7d", messages: list[Any] | None = None) -> Any:
        found = self.messages if messages is None else messages
        return self.send(who, "/pins/many/add/", message=[one.pk for one in found], act=act)

    def made(self) -> Batch:
        wanted = [Wanted(one.message_id, one) for one in self.messages]
        return rules.make(self.shop, Batch.Action.PIN, 604_800, wanted, By(user=self.people["bob"]))

    def test_it_works(self) -> None:
        answer = self.add()
        batch = Batch.objects.get()
        assert (answer.status_code, answer["Location"]) == (302, f"/pins/many/{batch.uid}/")
        assert (batch.actor, batch.user, batch.duration) == ("bob", self.people["bob"], 604_800)
        page = self.open("bob", answer["Location"]).content.decode()
        assert "Pin 2 messages for 7 days" in page
        assert "0 / 2" in page
        assert "Hello" in page
        assert "Pin 2 messages for 7 days" in self.open("vera", "/pins/many/").content.decode()

    def test_as_many_as_a_selection_may_have_fit_into_a_form(self) -> None:
        """Was red: a form has a few more fields than messages, and of a thousand in all Django refused it."""
        assert self.submit(rules.MOST).status_code == 302
        assert Batch.objects.get().items.count() == 2
        with self.assertLogs("django.security", "ERROR"):
            assert self.submit(rules.MOST + 30).status_code == 400

    def test_more_are_refused_and_not_cut(self) -> None:
        """Was red: of 1,001 the last was left out without a word."""
        answer = self.submit(rules.MOST + 1)
        assert answer.status_code == 302
        page = self.client.get(answer["Location"]).content.decode()
        assert "A selection may have 1000 messages at most." in page
        assert not Batch.objects.exists()

    def submit(self, count: int) -> Any:
        """As a browser sends the form, with so many ticks."""
        keys = [self.messages[0].pk + number for number in range(count)]
        form = urlencode({"csrfmiddlewaretoken": "x" * 64, "message": keys, "act": "pin:7d"}, doseq=True)
        self.become("bob")
        return self.client.post("/pins/many/add/", form, content_type="application/x-www-form-urlencoded")

    def test_what_has_grown_is_drawn_as_far_as_it_has(self) -> None:
        """Was red: while many were pinned, the reader of the others was back at the first hundred time and again."""
        batch = self.made()
        Batch.objects.update(state="done")
        self.made()
        with mock.patch.multiple("chats.selectors.batches", PAGE=1, ITEMS=1):
            for rows, drawn in (("", 1), ("2", 2)):
                page = self.open("bob", f"/pins/many/{batch.uid}/", fragment=True, rows=rows).content.decode()
                assert (page.count('<li class="plan'), "after=" in page) == (drawn, drawn < 2)
                page = self.open("bob", "/pins/many/", fragment=True, rows=rows).content.decode()
                assert (page.count('<article class="card batch'), "before=" in page) == (drawn, drawn < 2)

    def test_messages_of_two_instances_are_two_batches(self) -> None:
        other = self.make_message("D", instance=self.desk)
        answer = self.add("alice", "unpin", [*self.messages, other])
        assert answer["Location"] == "/pins/many/"
        assert sorted(Batch.objects.values_list("instance__name", "duration")) == [("desk", None), ("shop", None)]

    def test_of_two_instances_both_begin_or_none(self) -> None:
        """Was red: the page told of a refusal, and the pins of the first instance were sent."""
        first, other = self.messages[0], self.make_message("D", instance=self.desk)
        assert self.shop.pk < self.desk.pk
        with mock.patch.object(rules, "MOST_OPEN", 1):
            self.add("alice", messages=[other])
            answer = self.add("alice", "unpin", [first, other])
            assert "Many selections are not over yet" in self.client.get(answer["Location"]).content.decode()
            assert list(Batch.objects.values_list("instance__name", "action")) == [("desk", "pin")]

    def test_only_what_one_may_pin_is_taken(self) -> None:
        hidden = self.make_message("D", instance=self.desk)
        foreign = self.make_message("S", instance=self.charlies_shop)
        self.add("bob", messages=[self.messages[0], hidden, foreign])
        assert [item.called for item in BatchItem.objects.all()] == ["A"]
        assert self.add("bob", messages=[hidden, foreign]).status_code == 404
        assert self.add("vera").status_code == 403
        assert Batch.objects.count() == 1

    def test_nonsense_is_refused(self) -> None:
        for act in ("", "pin", "pin:1h", "hide:7d"):
            assert self.add(act=act).status_code == 400
        assert self.send("bob", "/pins/many/add/", message=["x", "9" * 30], act="unpin").status_code == 404
        assert not Batch.objects.exists()

    def test_stop_and_resume(self) -> None:
        batch = self.made()
        path = f"/pins/many/{batch.uid}/"
        assert "Stop" in self.open("bob", path).content.decode()
        self.send("bob", f"{path}stop/")
        assert Batch.objects.get().state == "stopped"
        assert "Resume" in self.open("bob", path).content.decode()
        self.send("alice", f"{path}resume/")
        batch = Batch.objects.get()
        assert (batch.state, batch.user) == ("running", self.people["alice"])
        Batch.objects.update(state="done")
        assert self.send("bob", f"{path}stop/").status_code == 302
        for who in ("vera", "charlie"):
            page = self.open(who, path).content.decode()
            assert "Stop" not in page, who

    def test_what_came_of_each_is_said(self) -> None:
        batch = self.made()
        batch.items.filter(called="A").update(
            state="failed", detail="WhatsApp refused the message: 479", at=timezone.now()
        )
        Batch.objects.update(why="Who asked for it may not pin here any more.", state="stopped")
        page = self.open("bob", f"/pins/many/{batch.uid}/").content.decode()
        assert "WhatsApp refused the message: 479" in page
        assert "may not pin here any more" in page
        assert "1 / 2" in page

    def test_a_long_list_comes_in_parts(self) -> None:
        wanted = [Wanted(f"N{number}", trouble="no") for number in range(120)]
        batch = rules.make(self.shop, Batch.Action.UNPIN, None, wanted, By(user=self.people["bob"]))
        page = self.open("bob", f"/pins/many/{batch.uid}/").content.decode()
        assert (page.count('<li class="plan '), "?after=" in page) == (100, True)
        last = batch.items.order_by("pk")[99].pk
        rest = self.open("bob", f"/pins/many/{batch.uid}/", after=last).content.decode()
        assert (rest.count('<li class="plan '), "?after=" in rest) == (20, False)

    def test_ticks_stand_where_one_may_pin(self) -> None:
        pinbook.seen(self.messages[0], Wish(604_800), actor="Bob", at=timezone.now(), stanza_id="")
        assert self.open("bob", "/pins/").content.decode().count("data-tick") == 1
        catch_up()
        assert self.open("bob", "/search/", q="Hello").content.decode().count("data-tick") == 2
        assert "data-tick" not in self.open("vera", "/pins/").content.decode()
