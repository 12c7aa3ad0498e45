"""For how many days messages are kept: on the instance's page and by the API."""

from datetime import timedelta
from typing import Any
from unittest.mock import patch
from urllib.request import Request

from click.testing import CliRunner, Result
from django.http import HttpResponse
from django.utils import timezone

from chats import search
from chats.models import Message
from chats.search import retention
from instances import keeping
from instances.models import Instance
from instances.whatsapp.errors import NotConnected
from portal.cli import instances as terminal
from portal.cli.api import Api as CliApi
from portal.cli.command import main
from portal.models import AuditLine
from tests.base import ApiTestCase, BaseTestCase
from tests.page_base import PageTestCase

API = "/api/instance/settings/shop"
# What does not fit, as it is typed.
WRONG = ("0", "-1", "36501", "740000", "1.5", "1e3", "x", "²", "٣", "9" * 5_000, "30\0")


class Aged(BaseTestCase):
    """In Alice's shop there is a message of today, and one of 40 days and one of 400 days ago."""

    def setUp(self) -> None:
        super().setUp()
        for days in (0, 40, 400):
            row = self.make_message(f"OLD{days}")
            Message.objects.filter(pk=row.pk).update(sent_at=timezone.now() - timedelta(days=days))
        # Nobody need be told: the housekeeping reads the row.
        self.told = self.enterContext(patch("instances.whatsapp.service.apply_preferences", side_effect=NotConnected))

    def kept(self) -> int | None:
        """As it is saved now."""
        return Instance.objects.get(pk=self.shop.pk).keep_days

    def set(self, days: int | None) -> None:
        """As it was before."""
        Instance.objects.filter(pk=self.shop.pk).update(keep_days=days)

    def said(self) -> list[str]:
        """What stands in the audit of it."""
        lines = AuditLine.objects.filter(action="instance settings changed", target="shop").order_by("pk")
        return list(lines.values_list("detail", flat=True))


class Page(Aged, PageTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.page = f"/instances/{self.shop.uid}/"

    def save(self, days: object, who: str = "alice", **more: str) -> Any:
        return self.send(who, f"{self.page}keeping/", keep_days=days, **more)

    def read(self, query: str = "") -> str:
        return str(self.open("alice", self.page + query).content.decode())

    def test_it_works(self) -> None:
        """Set where nothing would go, then shorter: that asks, names the number, and deletes when it is told to."""
        assert self.save(500).headers["Location"] == self.page
        assert self.kept() == 500
        assert 'value="500"' in self.read()
        asked = self.save(30).headers["Location"]
        assert (asked, self.kept()) == (f"{self.page}?keep_days=30#keeping", 500)
        page = self.read("?keep_days=30")
        assert "older than 30 days" in page
        assert "That is 2 of those that are here now" in page
        assert "cannot be undone" in page
        assert search.forget_old() == 0
        self.save(30, name="shop")
        assert self.kept() == 30
        assert search.forget_old() == 2
        assert self.said() == ["keep_days: for ever → 500 days", "keep_days: 500 days → 30 days"]
        self.told.assert_not_called()

    def test_the_page_says_what_it_does(self) -> None:
        page = self.read()
        for words in ("How long messages are kept", "are deleted here", "cannot be undone", "kept for ever"):
            assert words in page
        assert 'max="36500"' in page

    def test_the_wrong_name_deletes_nothing(self) -> None:
        for name in ("", "Shop", "desk"):
            assert self.save(30, name=name).headers["Location"] == f"{self.page}?keep_days=30"
            assert "Nothing was done" in self.read("?keep_days=30")
        assert (self.kept(), self.said()) == (None, [])

    def test_empty_keeps_all(self) -> None:
        self.set(30)
        self.save(" ")
        assert (self.kept(), self.said()) == (None, ["keep_days: 30 days → for ever"])
        assert search.forget_old() == 0

    def test_longer_does_not_ask(self) -> None:
        """What the shorter limit deletes goes anyway."""
        self.set(30)
        self.save(90)
        assert self.kept() == 90

    def test_after_what_was_no_limit_it_asks(self) -> None:
        for before in (0, 740_000):
            self.set(before)
            self.save(30)
            assert self.kept() == before

    def test_the_same_again_is_no_change(self) -> None:
        self.set(30)
        self.save(30)
        assert (self.kept(), self.said()) == (30, [])

    def test_one_message(self) -> None:
        assert "That is one of those" in self.read("?keep_days=365")

    def test_very_many_are_not_counted_to_the_end(self) -> None:
        with patch.object(retention, "COUNTED", 1), patch("instances.keeping.COUNTED", 1):
            assert "That is more than 1 of those" in self.read("?keep_days=30")

    def test_what_does_not_fit(self) -> None:
        for wrong in WRONG:
            with self.subTest(wrong):
                self.save(wrong)
                assert "Nothing was saved: write a whole number of days from 1 to 36500" in self.read()
                assert "would be deleted" not in self.read(f"?keep_days={wrong}" if "\0" not in wrong else "")
        assert self.kept() is None

    def test_the_shortest_and_the_longest(self) -> None:
        for days in (1, 36_500):
            self.save(days, name="shop")
            assert self.kept() == days

    def test_only_who_runs_the_account(self) -> None:
        for who in ("bob", "vera", "charlie", "nobody"):
            assert self.save(30, who, name="shop").status_code == 404
            assert b"keep_days" not in self.open(who, f"{self.page}?keep_days=30").content
        assert self.kept() is None

    def test_in_the_readers_language(self) -> None:
        for language, words in (
            ("pt", "Isso são 2 das que estão aqui agora"),
            ("es", "Son 2 de los que hay aquí ahora"),
        ):
            self.client.cookies["django_language"] = language
            assert words in self.read("?keep_days=30")


class Api(Aged, ApiTestCase):
    def change(self, **changes: Any) -> HttpResponse:
        return self.post(API, changes, token=self.alice)

    def asked(self, query: str) -> HttpResponse:
        return self.call("GET", f"{API}?{query}", token=self.alice)

    def test_it_works(self) -> None:
        assert self.asked("keepDays=30").json()["wouldDelete"] == 2  # type: ignore[attr-defined]
        answer = self.change(keepDays=30).json()  # type: ignore[attr-defined]
        assert (answer["keepDays"], answer["applied"]) == (30, True)
        assert self.call("GET", API, token=self.alice).json()["keepDays"] == 30  # type: ignore[attr-defined]
        assert search.forget_old() == 2
        assert self.change(keepDays=None).json()["keepDays"] is None  # type: ignore[attr-defined]
        assert self.said() == ["keep_days: for ever → 30 days", "keep_days: 30 days → for ever"]
        self.told.assert_not_called()

    def test_what_is_not_sent_stays(self) -> None:
        self.set(30)
        assert self.change(rejectCalls=True).json()["keepDays"] == 30  # type: ignore[attr-defined]
        assert self.change(rejectCalls=False, keepDays=20).json()["applied"] is False  # type: ignore[attr-defined]
        assert self.said() == ["reject_calls", "reject_calls, keep_days: 30 days → 20 days"]

    def test_what_would_go(self) -> None:
        for query, older in (("keepDays=1", 2), ("keepDays=365", 1), ("keepDays=36500", 0)):
            assert self.asked(query).json()["wouldDelete"] == older  # type: ignore[attr-defined]
        self.set(30)
        assert self.asked("keepDays=365").json()["wouldDelete"] == 0  # type: ignore[attr-defined]
        assert "wouldDelete" not in self.asked("").json()  # type: ignore[attr-defined]
        assert self.kept() == 30

    def test_what_does_not_fit(self) -> None:
        fit = "keepDays must be a whole number from 1 to 36500"
        for number in (0, -1, 36_501, 1.5, 740_000, 2**70):
            self.assert_error(self.change(keepDays=number, rejectCalls=True), 400, f"Invalid request body: {fit}")
        others: tuple[Any, ...] = ("30", True, [], {})
        for value in others:
            assert self.change(keepDays=value).status_code == 400
        for text in ("0", "36501", "x", "9" * 5_000):
            self.assert_error(self.asked(f"keepDays={text}"), 400, f"Invalid parameter: {fit}")
        assert not Instance.objects.filter(reject_calls=True).exists()
        assert self.kept() is None

    def test_with_a_new_instance(self) -> None:
        self.enterContext(patch("instances.whatsapp.service.announce"))
        body = {"name": "sales", "settings": {"keepDays": 30}}
        assert self.post("/api/instance/new", body, token=self.alice).status_code == 200
        assert Instance.objects.get(name="sales").keep_days == 30
        assert AuditLine.objects.get(action="instance created").detail == "keep_days: for ever → 30 days"

    def test_strangers(self) -> None:
        for token, status in ((self.charlie_stall, 403), (self.bob_desk, 403), (self.charlie, 200)):
            assert self.post(API, {"keepDays": 30}, token=token).status_code == status
        assert self.kept() is None


class Terminal(Aged, ApiTestCase):
    """`portal-cli instances keep`, against the API itself."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(patch.object(CliApi, "_send", self.send))

    def send(self, request: Request) -> tuple[int, bytes]:
        path = request.full_url.removeprefix("http://localhost:8000")
        answer = self.call(request.get_method(), path, request.data or b"", token=self.alice)
        return answer.status_code, answer.content

    def keep(self, *arguments: str, typed: str = "") -> Result:
        environment = {"PORTAL_TOKEN": self.alice, "PORTAL_URL": "http://localhost:8000"}
        return CliRunner().invoke(main, ["instances", "keep", "shop", *arguments], typed, environment)

    def test_it_works(self) -> None:
        assert self.keep().stdout == "forever\n"
        asked = self.keep("30", typed="n\n")
        assert (asked.exit_code, asked.stdout) == (1, "")
        assert "older than 30 days (2 of the messages that are there now)? This cannot be undone." in asked.stderr
        assert self.kept() is None
        assert self.keep("30", typed="y\n").stdout == "30 days\n"
        assert self.kept() == 30
        assert self.keep().stdout == "30 days\n"

    def test_it_asks_only_where_something_would_go(self) -> None:
        assert self.keep("500").stdout == "500 days\n"
        assert self.keep("30", "--yes").stdout == "30 days\n"
        assert self.keep("forever").stdout == "forever\n"
        assert self.kept() is None

    def test_very_many(self) -> None:
        with patch.object(keeping, "count_older", return_value=keeping.COUNTED + 1):
            assert "(more than 100,000 of the messages" in self.keep("30", typed="n\n").stderr

    def test_what_does_not_fit(self) -> None:
        for wrong in ("0", "36501", "x", "never"):
            assert self.keep(wrong).exit_code == 2
        assert self.kept() is None

    def test_the_bounds_are_those_of_the_portal(self) -> None:
        assert (terminal.MOST_KEEP_DAYS, terminal.COUNTED) == (keeping.MOST_KEEP_DAYS, keeping.COUNTED)
