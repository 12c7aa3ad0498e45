"""addRule, previewRule, switchRule, deleteRule, rules and ruleHits: a test for each row of the contract."""

from typing import Any
from uuid import uuid4

from django.utils import timezone

from chats.models import Message, Rule, RuleHit
from portal.models import AuditLine
from tests.base import ApiTestCase

ANA = "5511999999999@s.whatsapp.net"


class RuleTestCase(ApiTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.message = self.make_message("3EB0")
        Message.objects.update(sent_at=timezone.now())

    def ask(self, verb: str = "addRule", *, token: str | None = None, **fields: Any) -> Any:
        body = {"name": "Greetings", "trigger": "message", "words": "hello", "duration": "7d", **fields}
        return self.post(f"/api/chat/{verb}/shop", body, token=self.alice if token is None else token)

    def switch(self, uid: object, active: object = True, *, token: str | None = None, name: str = "shop") -> Any:
        body = {"ruleId": str(uid), "active": active}
        return self.post(f"/api/chat/switchRule/{name}", body, token=self.alice if token is None else token)

    def read(self, path: str, *, method: str = "GET", token: str | None = None, name: str = "shop") -> Any:
        what, _, query = path.partition("?")
        return self.call(method, f"/api/chat/{what}/{name}?{query}", token=self.alice if token is None else token)

    def made(self) -> str:
        return str(self.ask().json()["rule"]["id"])


class Success(RuleTestCase):
    def test_it_works(self) -> None:
        answer = self.ask(people=["+55 11 99999-9999", "me"], chat=ANA, anHour=3).json()
        rule = Rule.objects.get()
        assert (answer["success"], answer["message"]) == (True, "Rule added successfully")
        assert answer["rule"] == {
            **{"id": str(rule.uid), "name": "Greetings", "active": False, "since": None, "trigger": "message"},
            **{"words": "hello", "people": [ANA, "me"], "chatJid": ANA, "duration": "7d", "anHour": 3},
            **{"by": "token 'Alice'", "createdAt": answer["rule"]["createdAt"]},
        }
        assert AuditLine.objects.get().action == "rule added"

    def test_the_preview(self) -> None:
        for fields in ({}, {"ruleId": self.made()}):
            answer = self.ask("previewRule", **fields).json()
            assert [one["messageId"] for one in answer.pop("messages")] == ["3EB0"]
            assert answer == {"success": True, "found": 1, "lookedAt": 1, "busiestHour": 1}
        assert self.ask("previewRule", words="bye").json()["found"] == 0
        assert Rule.objects.count() == 1, "nothing of it is kept"

    def test_on_and_off(self) -> None:
        uid = self.made()
        for active, word in ((True, "on"), (False, "off")):
            for _ in range(2):
                answer = self.switch(uid, active).json()
                assert (answer["message"], answer["rule"]["active"]) == (f"Rule switched {word} successfully", active)
        assert AuditLine.objects.count() == 3

    def test_the_lists(self) -> None:
        uid = self.made()
        rule = Rule.objects.get()
        assert [one["id"] for one in self.read("rules").json()["rules"]] == [uid]
        assert self.read("rules", name="desk").json()["count"] == 0
        for called, message in (("A", self.message), ("B", None)):
            RuleHit.objects.create(rule=rule, instance=self.shop, message=message, called=called, chat_jid=ANA)
        first = self.read(f"ruleHits?id={uid}&limit=1").json()
        hit = first["hits"][0]
        assert (hit["messageId"], hit["state"], hit["detail"], first["hasMore"]) == ("B", "waiting", None, True)
        rest = self.read(f"ruleHits?id={uid}&cursor={first['next']}").json()
        assert [one["messageId"] for one in rest["hits"]] == ["A"]

    def test_delete(self) -> None:
        uid = self.made()
        answer = self.read(f"deleteRule?id={uid}", method="DELETE").json()
        assert answer == {"success": True, "message": "Rule deleted successfully", "id": uid}
        assert not Rule.objects.exists()


class Refusals(RuleTestCase):
    def test_what_is_wrong_is_said(self) -> None:
        for verb in ("addRule", "previewRule"):
            for fields, status, words in (
                ({"name": ""}, 400, "Invalid request body: name is required"),
                ({"trigger": "x"}, 400, "Invalid request body: trigger must be one of message, hashtag, reaction"),
                ({"people": "me"}, 400, "Invalid request body: people must be an array of strings, not a string"),
                ({"anHour": 101}, 400, "Invalid request body: anHour must be a whole number from 1 to 100"),
                ({"duration": "1h"}, 500, 'invalid duration "1h": use "24h", "7d" or "30d"'),
            ):
                self.assert_error(self.ask(verb, **fields), status, words)
        assert not Rule.objects.exists()

    def test_what_is_not_there(self) -> None:
        uid = self.made()
        self.assert_error(self.switch(""), 400, "ruleId is required")
        self.assert_error(
            self.switch(uid, "yes"), 400, "Invalid request body: active must be true or false, not a string"
        )
        self.assert_error(self.read("ruleHits?"), 400, "id is required")
        self.assert_error(self.read("deleteRule?", method="DELETE"), 400, "id is required")
        for wrong in ("x", uuid4()):
            self.assert_error(self.switch(wrong), 404, "Rule not found")
            self.assert_error(self.ask("previewRule", ruleId=str(wrong)), 404, "Rule not found")
            self.assert_error(self.read(f"ruleHits?id={wrong}"), 404, "Rule not found")
        self.assert_error(self.switch(uid, name="desk"), 404, "Rule not found")


class Strangers(RuleTestCase):
    def test_charlie_finds_nothing(self) -> None:
        uid = self.made()
        assert self.read("rules", token=self.charlie).json()["count"] == 0
        self.assert_error(self.switch(uid, token=self.charlie), 404, "Rule not found")
        self.assert_error(self.read(f"ruleHits?id={uid}", token=self.charlie), 404, "Rule not found")
        self.assert_error(self.read(f"deleteRule?id={uid}", method="DELETE", token=self.charlie), 404, "Rule not found")
        self.assert_error(self.ask("previewRule", ruleId=uid, token=self.charlie), 404, "Rule not found")
        assert self.ask("previewRule", token=self.charlie).json()["found"] == 0
        for token, words in (("", "Missing token in header"), ("wap_nonsense", "Invalid token")):
            for response in (
                self.ask(token=token),
                self.ask("previewRule", token=token),
                self.switch(uid, token=token),
                self.read("rules", token=token),
                self.read(f"ruleHits?id={uid}", token=token),
                self.read(f"deleteRule?id={uid}", method="DELETE", token=token),
            ):
                self.assert_error(response, 401, words)
        assert not Rule.objects.get().active
