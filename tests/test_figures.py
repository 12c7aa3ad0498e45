"""Pins in numbers: counted once, by day, person, chat and outcome, for those who may see them."""

import csv
import io
import json
import re
from datetime import timedelta
from typing import Any

from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from chats.figures import HEIGHT, WIDTH, plot
from chats.models import Contact, Pin, PinEvent
from chats.selectors.figures import OUTCOMES, Row
from portal.middleware import TIME_ZONE_COOKIE
from portal.models import AuditLine
from tests.base import ApiTestCase
from tests.page_base import PageTestCase

ANA = "5511999999999@s.whatsapp.net"
Kind = PinEvent.Kind


class FiguresTest(PageTestCase, ApiTestCase):
    def setUp(self) -> None:
        super().setUp()
        Contact.objects.create(instance=self.shop, jid=ANA, push_name="Ana")
        pin = Pin.objects.create(message=self.make_message("A"))
        now = timezone.now()
        for kind, actor, days, pinning in (
            (Kind.ASKED, "Bob", 0, True),
            (Kind.ACKNOWLEDGED, "Bob", 0, True),
            (Kind.ACKNOWLEDGED, "=cmd", 3, True),
            (Kind.ACKNOWLEDGED, "Bob", 3, False),
            (Kind.SEEN, ANA, 3, True),
            (Kind.REFUSED, "Bob", 20, True),
            (Kind.UNCONFIRMED, "Bob", 80, True),
            (Kind.EXPIRED, "", 0, False),
        ):
            at = now - timedelta(days=days)
            PinEvent.objects.create(pin=pin, kind=kind, actor=actor, at=at, pinning=pinning)
        other = Pin.objects.create(message=self.make_message("S", instance=self.charlies_shop))
        PinEvent.objects.create(pin=other, kind=Kind.ACKNOWLEDGED, actor="secret", pinning=True)

    def test_it_works(self) -> None:
        page = self.open("vera", "/pins/figures/").content.decode()
        assert page.count("<rect") == 4 + 4 + 3, "by day, by person, by chat"
        for words in ("Bob", "Ana", "By person", "+5511999999999"):
            assert words in page
        assert "secret" not in page
        assert "style=" not in page, "the policy forbids it"
        assert "figures.csv" not in page, "a viewer takes no file away"

    def test_how_far_back(self) -> None:
        for days, bobs in ((7, 1), (30, 2), (90, 3)):
            people = self.read(f"?days={days}")["people"]
            assert sum(sum(row[name] for name in OUTCOMES) for row in people if row["name"] == "Bob") == bobs
        assert self.open("bob", "/pins/figures/?days=x").status_code == 200

    def test_the_api(self) -> None:
        answer = self.read()
        assert answer["counts"] == {"done": 2, "elsewhere": 1, "failed": 1, "unknown": 0}
        assert (len(answer["days"]), answer["days"][-1]["done"]) == (30, 1)
        assert [row["name"] for row in answer["people"]] == ["Bob", "=cmd", "Ana"]
        assert [row["name"] for row in answer["chats"]] == ["+5511999999999"]
        assert self.read("?days=1")["counts"]["done"] == 1
        words = "Invalid parameter: days must be a whole number from 1 to 366"
        self.assert_error(self.call("GET", "/api/chat/pinFigures/shop?days=367", token=self.alice), 400, words)
        mine = self.read(token=self.charlie)
        assert [row["name"] for row in mine["people"]] == ["secret"]

    def read(self, query: str = "", token: str = "") -> Any:
        answer = self.call("GET", f"/api/chat/pinFigures/shop{query}", token=token or self.alice)
        assert answer.status_code == 200, answer.content
        return json.loads(answer.content)

    def test_people_whose_names_are_e_mail_addresses(self) -> None:
        """Was red: two colleagues of one name at two houses were one person."""
        pin = Pin.objects.get(message__message_id="A")
        for house in ("firm-a.com", "firm-b.com"):
            PinEvent.objects.create(pin=pin, kind=Kind.REFUSED, actor=f"ana@{house}", pinning=True)
        names = [row["name"] for row in self.read()["people"]]
        assert {"ana@firm-a.com", "ana@firm-b.com"} < set(names)
        assert "ana" not in names

    def test_the_file(self) -> None:
        answer = self.open("bob", "/pins/figures.csv?days=7")
        rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert rows[0] == ["by", "name", *OUTCOMES]
        assert [row[0] for row in rows[1:8]] == ["day"] * 7
        assert ["person", "'=cmd", "1", "0", "0", "0"] in rows
        assert AuditLine.objects.filter(action="figures exported").exists()
        assert self.open("vera", "/pins/figures.csv").status_code == 403

    def test_a_day_is_of_the_readers_zone(self) -> None:
        self.client.cookies[TIME_ZONE_COOKIE] = "Pacific/Kiritimati"
        assert self.open("bob", "/pins/figures/").status_code == 200

    def test_in_a_language_with_another_decimal_point(self) -> None:
        self.client.cookies["django_language"] = "pt"
        page = self.open("bob", "/pins/figures/").content.decode()
        numbers = re.findall(r'(?:x|y|width|height)="([^"]*)"', " ".join(re.findall("<rect[^>]*>", page)))
        assert len(numbers) == 44
        assert all(re.fullmatch(r"[0-9.]+%?", number) for number in numbers)


@given(st.lists(st.dictionaries(st.sampled_from(list(OUTCOMES)), st.integers(0, 10**6)), min_size=1, max_size=90))
def test_no_bar_leaves_the_plot(days: list[dict[str, int]]) -> None:
    rows = [Row(number) for number in range(len(days))]
    for row, counts in zip(rows, days, strict=True):
        row.counts.update(counts)
    for column in plot(rows).columns:
        for bar in column.bars:
            assert 0 <= bar.x <= bar.x + bar.width <= WIDTH + 0.01
            assert 0 <= bar.y <= bar.y + bar.height <= HEIGHT
