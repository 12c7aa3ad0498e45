"""Planning on a pin's own page, the agenda, the time line, and pins as a file."""

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest import mock

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chats import pinbook
from chats.models import LostSchedule, PinEvent, Schedule
from chats.pinbook import Asker, Wish
from chats.schedule import runner, steps, wish
from chats.schedule.wish import Wanted
from chats.selectors import calendar
from portal.middleware import TIME_ZONE_COOKIE
from portal.models import AuditLine
from tests.page_base import PageTestCase


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """The clock stands there."""
    with mock.patch("django.utils.timezone.now", return_value=moment):
        yield


class PlanPageTest(PageTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.message = self.make_message("A")
        self.page = f"/messages/{self.message.pk}/"
        self.tomorrow = timezone.now().replace(microsecond=0, second=0) + timedelta(days=1)

    def plan(self, who: str = "bob", **form: Any) -> Any:
        form = {"at": f"{self.tomorrow:%Y-%m-%dT%H:%M}", "lasting": "7d", **form}
        return self.send(who, f"{self.page}schedule/", **form)

    def planned(self, **wanted: Any) -> Schedule:
        return wish.make(self.message, Wanted(**(wanted or {"stay": True})), Asker("bob"))

    def test_it_works(self) -> None:
        answer = self.plan()
        assert (answer.status_code, answer["Location"]) == (302, self.page)
        schedule = Schedule.objects.get()
        assert (schedule.due_at, schedule.duration, schedule.actor) == (self.tomorrow, 604_800, "bob")
        page = self.open("bob", self.page).content.decode()
        assert "for 7 days" in page
        assert "Hello" in page

    def test_a_time_is_of_the_readers_zone(self) -> None:
        self.client.cookies[TIME_ZONE_COOKIE] = "America/Sao_Paulo"
        self.plan(at=f"{self.tomorrow:%Y-%m-%d}T09:00", repeat="workdays", lasting="24h")
        schedule = Schedule.objects.get()
        assert (schedule.repeat, schedule.zone) == ("0 9 * * 1-5", "America/Sao_Paulo")
        assert schedule.due_at is not None
        assert schedule.due_at.hour == 12
        assert "Monday to Friday" in self.open("bob", self.page).content.decode()

    def test_how_often(self) -> None:
        day = self.tomorrow
        for repeat, cron, words in (
            ("daily", f"{day.minute} {day.hour} * * *", "every day"),
            ("weekly", f"{day.minute} {day.hour} * * {day.isoweekday() % 7}", "every week"),
            ("monthly", f"{day.minute} {day.hour} {day.day} * *", "every month"),
        ):
            Schedule.objects.all().delete()
            self.plan(repeat=repeat)
            assert Schedule.objects.get().repeat == cron
            assert f"· {words}" in self.open("bob", self.page).content.decode()

    def test_what_repeats_begins_on_the_day_that_was_chosen(self) -> None:
        """24 December at 18:00, every day: not the next 18:00."""
        self.client.cookies[TIME_ZONE_COOKIE] = "America/Sao_Paulo"
        with at(datetime(2026, 11, 27, 12, tzinfo=UTC)):
            # A Thursday; the 26th is a Saturday.
            for repeat, chosen, due in (
                ("daily", "2026-12-24T18:00", datetime(2026, 12, 24, 21, tzinfo=UTC)),
                ("weekly", "2026-12-24T18:00", datetime(2026, 12, 24, 21, tzinfo=UTC)),
                ("monthly", "2026-12-24T18:00", datetime(2026, 12, 24, 21, tzinfo=UTC)),
                ("workdays", "2026-12-26T18:00", datetime(2026, 12, 28, 21, tzinfo=UTC)),
            ):
                Schedule.objects.all().delete()
                assert self.plan(at=chosen, repeat=repeat, lasting="24h").status_code == 302
                schedule = Schedule.objects.get()
                assert (schedule.due_at, schedule.try_at) == (due, due), repeat
                assert runner.mend() == 0, "nobody brings it forward"

    def test_what_repeats_begins_with_the_minute_that_has_just_begun(self) -> None:
        with at(datetime(2026, 11, 27, 12, 0, 30, tzinfo=UTC)):
            self.plan(at="2026-11-27T12:00", repeat="weekly")
        assert Schedule.objects.get().due_at == datetime(2026, 11, 27, 12, tzinfo=UTC)

    def test_how_long(self) -> None:
        until = self.tomorrow + timedelta(days=40)
        self.plan(lasting="until", until=f"{until:%Y-%m-%dT%H:%M}")
        self.plan(lasting="stopped", at="")
        self.plan(lasting="unpin")
        plans = list(Schedule.objects.order_by("pk"))
        assert [(one.step, one.until, one.stay) for one in plans] == [
            ("pin", until, False),
            ("pin", None, True),
            ("unpin", None, False),
        ]

    def test_what_is_wrong_is_said_on_the_page(self) -> None:
        yesterday = f"{self.tomorrow - timedelta(days=3):%Y-%m-%dT%H:%M}"
        for form, words in (
            ({"at": ""}, "Choose a day and a time."),
            ({"at": "soon"}, "Choose a day and a time."),
            ({"at": yesterday}, "Choose a time in the future, and within five years."),
            ({"at": yesterday, "repeat": "daily"}, "Choose a time in the future, and within five years."),
            ({"lasting": "until", "until": yesterday}, "Choose a time in the future, and within five years."),
            ({"lasting": "until", "until": f"{self.tomorrow:%Y-%m-%dT%H:%M}"}, "later than the beginning."),
            ({"lasting": "unpin", "at": ""}, "Choose a day and a time."),
            # Was red: as REST says it.
            ({"lasting": "8d"}, "Choose how long it stays pinned."),
        ):
            answer = self.plan(**form)
            assert (answer.status_code, words in answer.content.decode()) == (400, True), form
        assert not Schedule.objects.exists()

    def test_there_are_many_plans_already(self) -> None:
        for days in range(wish.MOST_A_MESSAGE):
            self.planned(unpin_at=self.tomorrow + timedelta(days=days))
        assert "There are many plans for this message already." in self.plan().content.decode()

    def test_what_was_chosen_stays_when_something_is_wrong(self) -> None:
        page = self.plan(at="", repeat="weekly", lasting="30d").content.decode()
        assert '<option value="weekly" selected>' in page
        assert '<option value="30d" selected>' in page
        assert page.count(" selected>") == 2

    def test_what_was_lost_stands_in_the_agenda(self) -> None:
        for instance in (self.shop, self.charlies_shop):
            LostSchedule.objects.create(instance=instance, chat_name=f"of {instance.account}", called="A", step="pin")
        page = self.open("vera", "/pins/planned/").content.decode()
        assert ("Lost with its message" in page, "of Alice" in page, "of Charlie" in page) == (True, True, False)
        LostSchedule.objects.update(at=timezone.now() - timedelta(days=15))
        assert "Lost with its message" not in self.open("vera", "/pins/planned/").content.decode()

    def test_a_viewer_plans_and_cancels_nothing(self) -> None:
        assert self.plan("vera").status_code == 403
        schedule = self.planned()
        self.send("vera", f"{self.page}schedule/cancel/", schedule=str(schedule.uid))
        assert Schedule.objects.get().state == "waiting"
        page = self.open("vera", self.page).content.decode()
        assert "Plan a pin" not in page
        assert "Cancel this plan" not in page

    def test_cancel(self) -> None:
        schedule = self.planned()
        for _ in range(2):
            assert self.send("bob", f"{self.page}schedule/cancel/", schedule=str(schedule.uid)).status_code == 302
        assert Schedule.objects.get().state == "cancelled"

    def test_what_belongs_to_another_message_is_not_cancelled_here(self) -> None:
        schedule = self.planned()
        other = self.make_message("B", instance=self.charlies_shop)
        self.send("charlie", f"/messages/{other.pk}/schedule/cancel/", schedule=str(schedule.uid))
        self.send("bob", f"/messages/{self.make_message('C').pk}/schedule/cancel/", schedule=str(schedule.uid))
        assert Schedule.objects.get().state == "waiting"

    def test_a_message_that_is_gone_is_not_planned(self) -> None:
        type(self.message).objects.filter(pk=self.message.pk).update(deleted_at=timezone.now())
        assert "Plan a pin" not in self.open("bob", self.page).content.decode()
        assert self.plan().status_code == 400

    def test_the_agenda(self) -> None:
        secret = self.make_message("S", instance=self.charlies_shop)
        wish.make(secret, Wanted(stay=True), Asker("charlie"))
        self.planned(pin_at=self.tomorrow, duration=604_800)
        self.planned(pin_at=self.tomorrow + timedelta(days=1), duration=86_400)
        page = self.open("bob", "/pins/planned/").content.decode()
        assert page.count('class="agenda-day"') == 2
        assert page.count('<li class="plan ') == 2
        assert page.count("<ol") == page.count("</ol>")
        assert "Nothing is planned" in self.open("nobody", "/pins/planned/").content.decode()

    def test_the_calendar(self) -> None:
        self.client.cookies[TIME_ZONE_COOKIE] = "America/Sao_Paulo"
        secret = self.make_message("S", instance=self.charlies_shop)
        with at(datetime(2026, 11, 10, 12, tzinfo=UTC)):
            wish.make(secret, Wanted(pin_at=datetime(2026, 11, 20, tzinfo=UTC), duration=86_400), Asker("charlie"))
            self.planned(repeat="30 9 * * 1", zone="America/Sao_Paulo", duration=86_400)
            # Midnight in the reader's zone, and the hour before it.
            self.planned(pin_at=datetime(2026, 12, 1, 3, tzinfo=UTC), duration=604_800)
            self.planned(pin_at=datetime(2026, 12, 1, 2, tzinfo=UTC), until=datetime(2026, 12, 24, 12, tzinfo=UTC))
            november, december = self.calendar(""), self.calendar("?month=2026-12")
            assert november == {16: ["09:30"], 23: ["09:30"], 30: ["09:30", "23:00"]}
            mondays = {day: ["09:30"] for day in (7, 14, 21, 28)}
            assert december == {1: ["00:00"], 24: ["09:00"], **mondays}
            for wrong in ("?month=2020-01", "?month=9999-99", "?month=x", "?month=9999-12", "?month=2026-13"):
                assert self.calendar(wrong) == november, "this month"
            assert self.calendar("", who="nobody") == {}

    def calendar(self, query: str, who: str = "vera") -> dict[int, list[str]]:
        """By day of the month, the times that stand there."""
        page = self.open(who, f"/pins/planned/{query}").content.decode()
        found = {}
        for cell in re.findall(r"<td class.*?</td>", page):
            if times := re.findall(r"<a class.*?>(\d\d:\d\d) ", cell):
                found[int(re.search(r"<time.*?>(\d+)<", cell)[1])] = times  # type: ignore[index]
        return found

    def test_that_there_are_more_is_said(self) -> None:
        self.planned()
        wish.make(self.make_message("B"), Wanted(stay=True), Asker("bob"))
        for most, more in ((1, True), (2, False)):
            with mock.patch("chats.selectors.plans.PAGE", most):
                page = self.open("vera", "/pins/planned/").content.decode()
            assert (page.count('<li class="plan waiting'), "There are more" in page) == (most, more)

    def test_a_full_day_of_the_calendar(self) -> None:
        with at(datetime(2026, 11, 10, 12, tzinfo=UTC)):
            self.planned(repeat="0 * * * *", duration=86_400)
            page = self.open("vera", "/pins/planned/?month=2027-02").content.decode()
        assert page.count('<b class="muted">+21</b>') == 28
        assert page.count("<tr>") == 1 + 4

    def hourly(self, number: int) -> None:
        """So many plans for each full hour; they are made as if one message could have them all."""
        due = timezone.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        wanted = {"step": Schedule.Step.PIN, "repeat": "0 * * * *", "duration": 86_400, "due_at": due, "try_at": due}
        Schedule.objects.bulk_create(Schedule(message=self.message, actor="bob", **wanted) for _ in range(number))

    def test_a_month_of_too_much(self) -> None:
        """Was red: each time of each plan was counted out for one page, whatever came of it. 744 x 40 here."""
        with at(datetime(2026, 11, 10, 12, tzinfo=UTC)):
            self.hourly(40)
            with mock.patch.object(steps, "next_time", wraps=steps.next_time) as counted:
                page = self.open("vera", "/pins/planned/?month=2027-01").content.decode()
        assert counted.call_count <= calendar.STEPS + 2 * 40
        # What comes first is there, whole, of all plans: ten days and ten hours.
        assert page.count(f'<b class="muted">+{24 * 40 - calendar.NAMED}</b>') == 10
        assert page.count(f'<b class="muted">+{10 * 40 - calendar.NAMED}</b>') == 1
        assert "what comes from 11 Jan 2027, 10:00 on is left out" in page

    def test_of_too_many_plans_the_first_are_there(self) -> None:
        with at(datetime(2026, 11, 10, 12, tzinfo=UTC)), mock.patch.object(calendar, "PLANS", 2):
            for day in (12, 11, 13):
                self.planned(pin_at=datetime(2026, 11, day, 9, tzinfo=UTC), duration=86_400)
            assert self.calendar("") == {11: ["09:00"], 12: ["09:00"]}
            page = self.open("vera", "/pins/planned/").content.decode()
        assert "what comes from 13 Nov 2026, 09:00 on is left out" in page

    def test_only_what_is_named_is_read(self) -> None:
        """Of the messages alone that are named, and nothing that no page shows."""
        with at(datetime(2026, 11, 10, 12, tzinfo=UTC)):
            self.hourly(5)
            with CaptureQueriesContext(connection) as queries:
                calendar.month(self.people["vera"], date(2026, 11, 1))
        reads = [one["sql"] for one in queries if '"chats_message"."text"' in one["sql"]]
        assert len(reads) == 1
        assert '"chats_message"."data"' not in reads[0]

    def test_the_time_line(self) -> None:
        pinbook.seen(self.message, Wish(604_800), actor="5511900000002@s.whatsapp.net", at=timezone.now(), stanza_id="")
        pinbook.missed(self.message, Wish(86_400), Asker("schedule by bob"), "It was too late.")
        page = self.open("bob", self.page).content.decode()
        assert "pinned it in WhatsApp" in page
        assert "a schedule of bob" in page
        assert "was to pin it" in page
        assert PinEvent.objects.count() == 2

    def test_pins_as_a_file(self) -> None:
        type(self.message).objects.filter(pk=self.message.pk).update(text='=HYPERLINK("http://evil")')
        secret = self.make_message("S", instance=self.charlies_shop)
        for message in (self.message, secret):
            pinbook.seen(message, Wish(604_800), actor="Bob", at=timezone.now(), stanza_id="")
        answer = self.open("bob", "/pins/pins.csv")
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        content = b"".join(answer.streaming_content).decode("utf-8-sig")
        (row,) = csv.DictReader(io.StringIO(content))
        assert (row["state"], row["by"], row["messageId"], row["instance"]) == ("pinned", "Bob", "A", "shop")
        assert row["text"] == '\'=HYPERLINK("http://evil")'
        (line,) = AuditLine.objects.filter(action="pins exported")
        assert (line.actor, line.target, line.account) == ("bob", "shop", self.alice_account)
        # A viewer is there to look.
        assert "pins.csv" not in self.open("vera", "/pins/history/").content.decode()
