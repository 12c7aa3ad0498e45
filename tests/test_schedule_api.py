"""schedulePin, cancelSchedule and schedules: a test for each row of the contract."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpResponse
from django.utils import timezone

from chats.models import Schedule
from chats.pinbook import Asker
from chats.schedule import wish
from chats.schedule.wish import Wanted
from tests.base import ApiTestCase

ID = "3EB08FCF27E532F1B0F5"
LATER = "2099-01-01T00:00:00Z"


class ScheduleTestCase(ApiTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.message = self.make_message(ID)
        self.tomorrow = timezone.now().replace(microsecond=0) + timedelta(days=1)

    def ask(self, *, token: str | None = None, name: str = "shop", **fields: Any) -> Any:
        body = {"messageId": ID, **fields}
        return self.post(f"/api/chat/schedulePin/{name}", body, token=self.alice if token is None else token)

    def cancel(self, uid: object, *, token: str | None = None, name: str = "shop") -> Any:
        token = self.alice if token is None else token
        return self.post(f"/api/chat/cancelSchedule/{name}", {"scheduleId": str(uid)}, token=token)

    def listed(self, query: str = "", *, token: str | None = None, name: str = "shop") -> Any:
        return self.call("GET", f"/api/chat/schedules/{name}{query}", token=self.alice if token is None else token)

    def planned(self, **wanted: Any) -> Schedule:
        return wish.make(self.message, Wanted(**(wanted or {"stay": True})), Asker("Alice"))

    def refused(self, what: str, **fields: Any) -> None:
        self.assert_error(self.ask(**fields), 400, f"Invalid request body: {what}")
        assert not Schedule.objects.exists()


class Success(ScheduleTestCase):
    def test_it_works(self) -> None:
        answer = self.ask(pinAt=self.tomorrow.isoformat(), duration="7d").json()
        schedule = Schedule.objects.get()
        assert (answer["success"], answer["message"]) == (True, "Pin scheduled successfully")
        at = self.tomorrow.isoformat().replace("+00:00", "Z")
        assert answer["schedule"] == {
            **{"id": str(schedule.uid), "state": "waiting", "next": "pin", "nextAt": at, "pinAt": at, "unpinAt": None},
            **{"repeat": None, "timeZone": "UTC", "duration": "7d", "until": None, "by": "token 'Alice'"},
            **{"createdAt": answer["schedule"]["createdAt"], "last": None, "lastAt": None, "lastOutcome": None},
            **{"lastDetail": None, "message": answer["schedule"]["message"]},
        }
        assert answer["schedule"]["message"]["messageId"] == ID
        assert (schedule.token, schedule.due_at) == (self.alice_token, self.tomorrow)

    def test_an_unpin(self) -> None:
        answer = self.ask(unpinAt=self.tomorrow.isoformat()).json()
        assert (answer["message"], answer["schedule"]["next"]) == ("Unpin scheduled successfully", "unpin")

    def test_until_stopped_begins_at_once(self) -> None:
        answer = self.ask(until="stopped").json()["schedule"]
        assert (answer["until"], answer["next"], answer["pinAt"]) == ("stopped", "pin", None)

    def test_a_time_without_a_zone_is_of_the_time_zone(self) -> None:
        self.ask(pinAt=f"{self.tomorrow:%Y-%m-%d}T18:00", timeZone="America/Sao_Paulo", duration="24h")
        wanted = datetime(self.tomorrow.year, self.tomorrow.month, self.tomorrow.day, 21, tzinfo=UTC)
        assert Schedule.objects.get().due_at == wanted

    def test_repeat(self) -> None:
        answer = self.ask(repeat="0 9 * * 1-5", timeZone="America/Sao_Paulo", duration="24h").json()["schedule"]
        assert (answer["repeat"], answer["nextAt"][11:]) == ("0 9 * * 1-5", "12:00:00Z")

    def test_the_same_again_is_the_same_schedule(self) -> None:
        first, again = self.ask(until="stopped").json(), self.ask(until="stopped", token=self.bob).json()
        assert first == again
        assert Schedule.objects.count() == 1

    def test_cancel(self) -> None:
        schedule = self.planned()
        for _ in range(2):
            answer = self.cancel(schedule.uid).json()
            assert (answer["message"], answer["schedule"]["state"]) == ("Schedule cancelled successfully", "cancelled")
            assert (answer["schedule"]["next"], answer["schedule"]["nextAt"]) == (None, None)

    def test_the_list(self) -> None:
        self.make_message("OTHER", instance=self.desk)
        schedules = [self.planned(), self.planned(unpin_at=self.tomorrow)]
        wish.cancel(schedules[0], Asker("Alice"))
        assert [one["id"] for one in self.listed().json()["schedules"]] == [str(schedules[1].uid)]
        everything = self.listed("?state=all&limit=1").json()
        assert (everything["count"], everything["hasMore"]) == (1, True)
        rest = self.listed(f"?state=all&limit=1&cursor={everything['next']}").json()
        assert [one["id"] for one in rest["schedules"]] == [str(schedules[0].uid)]
        assert self.listed(f"?messageId={ID}").json()["count"] == 1
        assert self.listed("?messageId=OTHER").json()["count"] == 0
        assert self.listed(name="desk").json()["count"] == 0


class Strangers(ScheduleTestCase):
    def test_no_token_and_a_wrong_one(self) -> None:
        uid = self.planned().uid
        for token, words in (("", "Missing token in header"), ("wap_nonsense", "Invalid token")):
            for response in (self.ask(token=token), self.cancel(uid, token=token), self.listed(token=token)):
                self.assert_error(response, 401, words)

    def test_charlie_finds_nothing(self) -> None:
        uid = self.planned().uid
        for token, words in ((self.charlie, "Instance not found"),):
            for response in (
                self.ask(token=token, name="desk"),
                self.cancel(uid, token=token, name="desk"),
                self.listed(token=token, name="desk"),
            ):
                self.assert_error(response, 404, words)
        # His own shop is another one.
        self.assert_error(self.ask(token=self.charlie, until="stopped"), 500, f"message with ID {ID} not found")
        self.assert_error(self.cancel(uid, token=self.charlie), 404, "Schedule not found")
        assert self.listed(token=self.charlie).json()["count"] == 0
        assert Schedule.objects.get().state == "waiting"

    def test_a_token_of_another_instance(self) -> None:
        wrong = "Instance token does not match the requested instance"
        uid = self.planned().uid
        for response in (
            self.ask(token=self.bob_desk),
            self.cancel(uid, token=self.bob_desk),
            self.listed(token=self.bob_desk),
        ):
            self.assert_error(response, 403, wrong)

    def test_a_schedule_of_the_same_accounts_other_instance(self) -> None:
        self.assert_error(self.cancel(self.planned().uid, name="desk"), 404, "Schedule not found")


class Rows(ScheduleTestCase):
    def test_instance_name(self) -> None:
        for name in ("schedulePin", "cancelSchedule"):
            self.assert_error(self.post(f"/api/chat/{name}/", {}, token=self.alice), 400, "Instance name is required")

    def test_message_id(self) -> None:
        for value in (None, "", " "):
            self.assert_error(self.ask(messageId=value, until="stopped"), 400, "messageId is required")
        self.assert_error(self.ask(messageId="?", until="stopped"), 500, "message with ID ? not found")

    def test_more_than_one_chat(self) -> None:
        self.make_message(ID, chat="5511888888888@s.whatsapp.net")
        words = f"message with ID {ID} exists in more than one chat: send chatJid"
        self.assert_error(self.ask(until="stopped"), 409, words)
        assert self.ask(until="stopped", chatJid="5511888888888@s.whatsapp.net").status_code == 200

    def test_invalid_duration(self) -> None:
        words = 'invalid duration "1h": use "24h", "7d" or "30d"'
        self.assert_error(self.ask(pinAt=self.tomorrow.isoformat(), duration="1h"), 500, words)

    def test_a_message_that_was_deleted(self) -> None:
        self.message.deleted_at = timezone.now()
        self.message.save()
        words = f"message with ID {ID} was deleted for everyone: it cannot be pinned"
        self.assert_error(self.ask(until="stopped"), 409, words)

    def test_what_is_no_time(self) -> None:
        for name in ("pinAt", "unpinAt"):
            words = f"{name} must be a time in ISO 8601, such as 2026-12-24T18:00:00Z"
            for value in ("tomorrow", "2026-13-01", "0001-01-01T00:00+14:00"):
                self.refused(words, **{name: value})
        self.refused('until must be a time in ISO 8601, such as 2026-12-24T18:00:00Z or "stopped"', until="soon")
        self.refused("pinAt must be a string, not a number", pinAt=7)

    def test_what_cannot_be(self) -> None:
        """All of it is in tests/test_schedule.py."""
        self.refused("pinAt must be in the future, and within five years", pinAt=LATER, duration="24h")
        self.refused("send pinAt, unpinAt, repeat or until: there is nothing to wait for")
        self.refused("timeZone must be a name such as America/Sao_Paulo", until="stopped", timeZone="Mars")

    def test_cancel_what_is_not_there(self) -> None:
        for uid in ("x", "0b8e5f5e-6f1c-4a53-9d0e-0d4c5c8f7a10"):
            self.assert_error(self.cancel(uid), 404, "Schedule not found")
        self.assert_error(self.cancel(""), 400, "scheduleId is required")

    def test_cancel_what_is_over(self) -> None:
        schedule = self.planned()
        Schedule.objects.update(state="done")
        words = "Schedule is over already: there is nothing left to cancel"
        self.assert_error(self.cancel(schedule.uid), 409, words)

    def test_parameters_of_the_list(self) -> None:
        states = "waiting, done, missed, failed, unknown, cancelled, all"
        response: HttpResponse = self.listed("?state=x")
        self.assert_error(response, 400, f"Invalid parameter: state must be one of {states}")
        assert self.listed("?cursor=x").status_code == 400
