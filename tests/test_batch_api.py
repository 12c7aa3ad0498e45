"""pinMany, batches, batch, stopBatch and resumeBatch: a test for each row of the contract."""

from typing import Any
from uuid import uuid4

from chats.errands import batch as rules
from chats.models import Batch, BatchItem
from instances.events import webhooks
from instances.events.models import OutgoingEvent
from portal.models import AuditLine
from tests.base import ApiTestCase

IDS = ["3EB0A", "3EB0B"]


class BatchTestCase(ApiTestCase):
    def setUp(self) -> None:
        super().setUp()
        for name in IDS:
            self.make_message(name)

    def ask(self, *, token: str | None = None, name: str = "shop", **fields: Any) -> Any:
        body = {"action": "pin", "messageIds": IDS, "duration": "7d", **fields}
        return self.post(f"/api/chat/pinMany/{name}", body, token=self.alice if token is None else token)

    def act(self, verb: str, uid: object, *, token: str | None = None, name: str = "shop") -> Any:
        token = self.alice if token is None else token
        return self.post(f"/api/chat/{verb}Batch/{name}", {"batchId": str(uid)}, token=token)

    def read(self, path: str, *, token: str | None = None, name: str = "shop") -> Any:
        what, _, query = path.partition("?")
        return self.call("GET", f"/api/chat/{what}/{name}?{query}", token=self.alice if token is None else token)

    def made(self) -> str:
        return str(self.ask().json()["batch"]["id"])


class Success(BatchTestCase):
    def test_it_works(self) -> None:
        webhooks.add(self.shop, "https://crm.example.com/", ["pin.batch"])
        answer = self.ask(messageIds=[*IDS, "NOWHERE", IDS[0]]).json()
        batch = Batch.objects.get()
        assert (answer["success"], answer["message"]) == (True, "Batch started successfully")
        assert answer["batch"] == {
            **{"id": str(batch.uid), "state": "running", "why": None, "action": "pin", "duration": "7d"},
            **{"by": "token 'Alice'", "createdAt": answer["batch"]["createdAt"], "endedAt": None},
            "counts": {"total": 3, "waiting": 2, "done": 0, "skipped": 0, "failed": 1, "unknown": 0},
        }
        assert (batch.token, batch.by_token, batch.duration) == (self.alice_token, True, 604_800)
        assert AuditLine.objects.get().action == "selection started"
        assert '"change":"started"' in OutgoingEvent.objects.get(kind="pin.batch").body

    def test_unpinning_has_no_duration(self) -> None:
        assert self.ask(action="unpin", duration="nonsense").json()["batch"]["duration"] is None

    def test_the_same_again_is_the_same_batch(self) -> None:
        assert self.ask().json() == self.ask(token=self.bob).json()
        assert Batch.objects.count() == 1

    def test_an_id_that_stands_in_it_twice_counts_once(self) -> None:
        """Was red: it was counted before that, and a thousand messages with one of them twice were too many."""
        many = [f"M{number}" for number in range(rules.MOST)]
        assert self.ask(messageIds=[*many, many[0]]).json()["batch"]["counts"]["total"] == rules.MOST

    def test_a_chat_can_be_named(self) -> None:
        self.make_message(IDS[0], chat="5511888888888@s.whatsapp.net")
        self.ask()
        self.ask(chatJid="5511888888888@s.whatsapp.net")
        first, second = Batch.objects.order_by("pk")
        assert "exists in more than one chat" in first.items.get(called=IDS[0]).detail
        assert [item.state for item in second.items.order_by("pk")] == ["waiting", "failed"]

    def test_stop_and_resume(self) -> None:
        uid = self.made()
        for verb, words, state in (("stop", "stopped", "stopped"), ("resume", "resumed", "running")):
            for _ in range(2):
                answer = self.act(verb, uid, token=self.bob).json()
                assert (answer["message"], answer["batch"]["state"]) == (f"Batch {words} successfully", state)
        assert Batch.objects.get().token == self.bob_token, "it goes on in the name of who resumed it"

    def test_the_lists(self) -> None:
        uid = self.made()
        self.ask(action="unpin")
        first = self.read("batches?limit=1").json()
        assert (first["count"], first["hasMore"], first["batches"][0]["action"]) == (1, True, "unpin")
        assert self.read(f"batches?cursor={first['next']}").json()["batches"][0]["id"] == uid
        assert self.read("batches?state=done").json()["count"] == 0
        assert self.read("batches", name="desk").json()["count"] == 0
        BatchItem.objects.filter(called=IDS[0]).update(state="failed", detail="no")
        one = self.read(f"batch?id={uid}&limit=1").json()
        assert one["items"] == [
            {
                "messageId": IDS[0],
                "chatJid": "5511999999999@s.whatsapp.net",
                "state": "failed",
                "detail": "no",
                "at": None,
            }
        ]
        rest = self.read(f"batch?id={uid}&limit=1&cursor={one['next']}").json()
        assert ([item["messageId"] for item in rest["items"]], rest["hasMore"], rest["next"]) == ([IDS[1]], False, None)
        assert self.read(f"batch?id={uid}&state=failed").json()["count"] == 1


class Refusals(BatchTestCase):
    def test_what_is_wrong_is_said(self) -> None:
        many = [f"M{number}" for number in range(rules.MOST + 1)]
        for fields, status, words in (
            ({"action": "hide"}, 400, "Invalid request body: action must be one of pin, renew, unpin"),
            ({"messageIds": []}, 400, "messageIds is required"),
            ({"messageIds": ["", " "]}, 400, "messageIds is required"),
            ({"messageIds": None}, 400, "messageIds is required"),
            ({"messageIds": many}, 400, "Invalid request body: messageIds may hold 1000 messages at most"),
            (
                {"messageIds": ["a\0b"]},
                400,
                "Invalid request body: messageIds must not contain a NUL character (\\u0000)",
            ),
            (
                {"messageIds": "3EB0A"},
                400,
                "Invalid request body: messageIds must be an array of strings, not a string",
            ),
            ({"duration": "1h"}, 500, 'invalid duration "1h": use "24h", "7d" or "30d"'),
        ):
            self.assert_error(self.ask(**fields), status, words)
        assert not Batch.objects.exists()

    def test_too_many_at_once(self) -> None:
        for number in range(rules.MOST_OPEN):
            self.ask(messageIds=[f"M{number}"])
        words = "an instance may have 20 selections that are not over: resume or wait first"
        self.assert_error(self.ask(), 400, f"Invalid request body: {words}")

    def test_what_is_not_there_or_over(self) -> None:
        uid = self.made()
        for verb in ("stop", "resume"):
            self.assert_error(self.act(verb, ""), 400, "batchId is required")
            for wrong in ("x", uuid4()):
                self.assert_error(self.act(verb, wrong), 404, "Batch not found")
            self.assert_error(self.act(verb, uid, name="desk"), 404, "Batch not found")
        self.assert_error(self.read("batch?"), 400, "id is required")
        self.assert_error(self.read("batch?id=x"), 404, "Batch not found")
        words = "Invalid parameter: cursor is none: send the value of `next` from the answer before, or leave it out"
        self.assert_error(self.read(f"batch?id={uid}&cursor=x"), 400, words)
        Batch.objects.update(state="done")
        for verb in ("stop", "resume"):
            words = "Batch is over already: there is nothing left to stop or to resume"
            self.assert_error(self.act(verb, uid), 409, words)


class Strangers(BatchTestCase):
    def test_no_token_and_a_wrong_one(self) -> None:
        uid = self.made()
        for token, words in (("", "Missing token in header"), ("wap_nonsense", "Invalid token")):
            for response in (
                self.ask(token=token),
                self.act("stop", uid, token=token),
                self.act("resume", uid, token=token),
                self.read("batches?", token=token),
                self.read(f"batch?id={uid}", token=token),
            ):
                self.assert_error(response, 401, words)

    def test_charlie_finds_nothing(self) -> None:
        uid = self.made()
        assert self.read("batches?", token=self.charlie).json()["count"] == 0
        self.assert_error(self.read(f"batch?id={uid}", token=self.charlie), 404, "Batch not found")
        self.assert_error(self.act("stop", uid, token=self.charlie), 404, "Batch not found")
        words = "Instance token does not match the requested instance"
        self.assert_error(self.read("batches?", token=self.charlie_stall), 403, words)
        self.assert_error(self.ask(token=self.bob_desk), 403, words)
        # His shop has none of Alice's messages.
        assert self.ask(token=self.charlie).json()["batch"]["counts"]["failed"] == 2
        assert Batch.objects.get(uid=uid).state == "running"
