"""Idempotency-Key: the same key gives the same answer, whatever happens in between."""

import json
import threading
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from django.db import InterfaceError, OperationalError, connection
from django.http import HttpResponse
from django.test import RequestFactory, TransactionTestCase
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as PropertyTestCase

from chats.errors import MessageNotFound
from chats.models import Message
from instances import tokens
from instances.models import Account, Instance
from instances.whatsapp.errors import Blocked, NotConfirmed, NotConnected, NotInGroup, NotOnWhatsApp, Refused
from portal.models import KeptAnswer
from portal.rest import idempotency
from portal.rest.errors import DATABASE_DOWN, UNEXPECTED
from tests.base import ApiTestCase

JID = "5511999999999@s.whatsapp.net"
SEND, PIN, NEW = "/api/message/sendText/shop", "/api/chat/pinMessage/shop", "/api/instance/new"
TEXT = {"number": JID, "text": "At nine."}


class KeyTestCase(ApiTestCase):
    """Texts are sent, and counted."""

    def setUp(self) -> None:
        super().setUp()
        self.message = self.make_message("3EB0")
        self.send = self.enterContext(patch("chats.texts.send", return_value=self.message))
        self.pin = self.enterContext(patch("chats.pins.pin"))
        self.enterContext(patch("instances.whatsapp.service.announce"))

    def ask(self, path: str = SEND, body: Any = TEXT, key: str = "k1", token: str = "") -> HttpResponse:
        return self.post(path, body, token=token or self.alice, idempotency_key=key)

    def age(self, **by: float) -> None:
        """Let time go by for every kept answer."""
        for kept in KeptAnswer.objects.all():
            kept.made_at -= timedelta(**by)
            kept.until -= timedelta(**by)
            kept.save()

    def left_open(self) -> None:
        """A web process was killed while it answered: its row stands open."""
        KeptAnswer.objects.update(status=None, body="")


class SameKey(KeyTestCase):
    def test_it_works(self) -> None:
        first, second = self.ask(), self.ask()
        assert (first.status_code, second.status_code) == (200, 200)
        assert first.content == second.content
        assert idempotency.REPLAYED not in first.headers
        assert second.headers[idempotency.REPLAYED] == "true"
        assert second.headers["Content-Type"] == "application/json"
        self.send.assert_called_once()

    def test_without_a_key_nothing_is_kept(self) -> None:
        self.post(SEND, TEXT, token=self.alice)
        self.post(SEND, TEXT, token=self.alice)
        assert self.send.call_count == 2
        assert not KeptAnswer.objects.exists()

    def test_a_key_is_one_tokens_own(self) -> None:
        self.ask()
        self.ask(token=self.bob)
        assert self.send.call_count == 2

    def test_another_body_or_address_is_refused(self) -> None:
        self.ask()
        self.assert_error(self.ask(body={**TEXT, "text": "At ten."}), 422, idempotency.OTHER)
        self.assert_error(self.ask("/api/message/sendText/desk"), 422, idempotency.OTHER)
        self.send.assert_called_once()

    def test_the_order_of_fields_makes_no_difference(self) -> None:
        self.ask()
        same = json.dumps(dict(reversed(TEXT.items())), indent=2).encode()
        assert self.ask(body=same).headers[idempotency.REPLAYED] == "true"

    def test_after_a_day_it_is_a_new_request(self) -> None:
        self.ask()
        self.age(hours=23.9)
        self.ask()
        self.send.assert_called_once()
        self.age(hours=0.2)
        assert idempotency.REPLAYED not in self.ask(body={**TEXT, "text": "Tomorrow."}).headers
        assert self.send.call_count == 2

    def test_what_is_no_key(self) -> None:
        for key in ("", " ", "a b", "é", "x" * 256):
            self.assert_error(self.ask(key=key), 400, idempotency.INVALID)
        self.send.assert_not_called()

    def test_who_may_not_call_leaves_no_key(self) -> None:
        for token, path, status in (
            ("nonsense", SEND, 401), (self.charlie_stall, SEND, 403), (self.alice, f"{SEND}x", 404),
        ):  # fmt: skip
            assert self.ask(path, token=token).status_code == status
        assert not KeptAnswer.objects.exists()

    def test_reading_needs_no_key(self) -> None:
        self.call("GET", "/api/instance/list", token=self.alice, idempotency_key="k1")
        assert not KeptAnswer.objects.exists()

    def test_what_only_reads_is_answered_anew(self) -> None:
        """Was red: each answer lay here whole for a day, and told of what was deleted meanwhile."""
        history = "/api/chat/history/shop"
        body = {"number": JID}
        first = self.ask(history, body)
        assert first.json()["messages"][0]["text"] == "Hello"  # type: ignore[attr-defined]
        assert KeptAnswer.objects.count() == 0
        Message.objects.update(deleted_at=timezone.now())
        second = self.ask(history, body)
        assert idempotency.REPLAYED not in second.headers
        assert b"Hello" not in second.content

    def test_what_people_wrote_is_not_kept(self) -> None:
        wish = {"messageId": "3EB0", "until": "stopped"}
        first, second = (self.ask("/api/chat/schedulePin/shop", wish).json() for _ in range(2))  # type: ignore[attr-defined]
        assert first["schedule"]["message"].pop("text") == "Hello"
        assert second["schedule"]["message"].pop("text") == ""
        assert first == second
        cancel = {"scheduleId": first["schedule"]["id"]}
        assert b"Hello" in self.ask("/api/chat/cancelSchedule/shop", cancel, key="k2").content
        assert b"Hello" not in self.ask("/api/chat/cancelSchedule/shop", cancel, key="k2").content
        assert KeptAnswer.objects.count() == 2
        assert not KeptAnswer.objects.filter(body__contains="Hello").exists()

    def test_what_finds_no_room_now_may_find_some_later(self) -> None:
        """Was red: kept as if it were wrong in itself, it was refused for a day under its key."""
        plan = {"messageId": "3EB0", "until": "stopped"}
        other = {"messageId": "3EB0", "repeat": "0 9 * * *", "duration": "7d"}
        rule = {"name": "Tea", "trigger": "message", "words": "tea", "duration": "7d"}
        many = {"action": "pin", "messageIds": ["3EB0"], "duration": "7d"}
        for path, limit, body in (
            ("/api/chat/schedulePin/shop", "chats.schedule.wish.MOST_A_MESSAGE", plan),
            ("/api/chat/schedulePin/shop", "chats.schedule.wish.MOST_WAITING", other),
            ("/api/chat/addRule/shop", "chats.rules.manage.MOST", rule),
            ("/api/chat/pinMany/shop", "chats.errands.batch.MOST_OPEN", many),
        ):
            with patch(limit, 0):
                assert self.ask(path, body, key=limit).status_code == 400
            assert self.ask(path, body, key=limit).status_code == 200

    def test_of_an_answer_that_is_too_long_the_status_is_kept(self) -> None:
        with patch.object(idempotency, "MOST_KEPT", 20):
            assert self.ask().status_code == self.ask().status_code == 200
            refused = [self.ask(body={"number": JID}, key="k2") for _ in range(2)]
        self.send.assert_called_once()
        again = self.ask()
        assert again.json() == {"success": True, "message": idempotency.TOO_LONG}  # type: ignore[attr-defined]
        self.assert_error(refused[0], 400, "Text is required")
        self.assert_error(refused[1], 400, idempotency.TOO_LONG)

    def test_a_secret_is_not_kept(self) -> None:
        first = self.ask(NEW, {"name": "sales"}).json()  # type: ignore[attr-defined]
        second = self.ask(NEW, {"name": "sales"}).json()  # type: ignore[attr-defined]
        secret = first["instance"].pop("token")
        assert second["instance"].pop("token") is None
        assert first == second
        assert secret not in KeptAnswer.objects.get().body


class Failures(KeyTestCase):
    def test_a_refusal_of_the_request_is_kept(self) -> None:
        for _ in range(2):
            self.assert_error(self.ask(body={"number": JID}), 400, "Text is required")
        assert KeptAnswer.objects.get().status == 400

    def test_what_was_not_done_may_be_tried_again(self) -> None:
        for fault, status in ((NotConnected(), 503), (Refused("error 479"), 502)):
            self.send.side_effect = fault
            assert self.ask().status_code == status
            assert not KeptAnswer.objects.exists()
        self.send.side_effect = None
        assert self.ask().status_code == 200

    def test_what_may_turn_out_otherwise_is_not_kept(self) -> None:
        """Was red: a quoted message that came with the phone's history was "not found" for a day."""
        body = {**TEXT, "quotedId": "LATE"}
        for fault, status in (
            (MessageNotFound("LATE"), 404),
            (Blocked(), 403),
            (NotInGroup(), 403),
            (NotOnWhatsApp(), 400),
        ):
            self.send.side_effect = fault
            self.assert_error(self.ask(body=body), status, str(fault))
            assert not KeptAnswer.objects.exists(), fault
        self.send.side_effect = None
        assert self.ask(body=body).status_code == 200

    def test_nor_that_there_is_no_room(self) -> None:
        quota = Instance.objects.filter(account=self.alice_account).count()
        Account.objects.filter(pk=self.alice_account.pk).update(instance_quota=quota)
        self.assert_error(self.ask(NEW, {"name": "sales"}), 403, "Account instance quota exceeded")
        Account.objects.filter(pk=self.alice_account.pk).update(instance_quota=quota + 1)
        assert self.ask(NEW, {"name": "sales"}).status_code == 200

    def test_an_unknown_outcome_is_not_sent_again(self) -> None:
        self.send.side_effect = NotConfirmed
        for _ in range(2):
            self.assert_error(self.ask(), 504, "WhatsApp did not confirm in time")
        self.send.assert_called_once()

    def test_nor_after_a_fault_of_ours(self) -> None:
        for key, fault, status, words in (
            ("a", ValueError(), 500, UNEXPECTED),
            ("b", OperationalError(), 503, DATABASE_DOWN),
        ):
            self.send.reset_mock(side_effect=True)
            self.send.side_effect = fault
            for _ in range(2):
                self.assert_error(self.ask(key=key), status, words)
            self.send.assert_called_once()

    def test_an_answer_that_cannot_be_kept_is_given_all_the_same(self) -> None:
        for key, error in (("a", OperationalError()), ("b", InterfaceError())):
            with patch.object(KeptAnswer.objects, "filter", side_effect=error):
                assert self.ask(key=key).status_code == 200
            self.assert_error(self.ask(key=key), 409, idempotency.UNDER_WAY)

    def test_a_pin_of_unknown_outcome_may_be_tried_again(self) -> None:
        body = {"pin": True, "messageId": "3EB0", "duration": "7d"}
        self.pin.side_effect = NotConfirmed
        assert self.ask(PIN, body).status_code == 504
        self.pin.side_effect = None
        assert self.ask(PIN, body).status_code == 200
        assert self.ask(PIN, body).headers[idempotency.REPLAYED] == "true"
        assert self.pin.call_count == 2


class Killed(KeyTestCase):
    """The web process died between the claim and the answer."""

    def test_while_it_may_still_be_under_way(self) -> None:
        self.ask()
        self.left_open()
        response = self.ask()
        self.assert_error(response, 409, idempotency.UNDER_WAY)
        assert response.headers["Retry-After"] == "1"
        self.send.assert_called_once()

    def test_afterwards_a_text_is_not_sent_again(self) -> None:
        self.ask()
        self.left_open()
        self.age(minutes=2)
        for _ in range(2):
            self.assert_error(self.ask(), 504, idempotency.UNKNOWN)
        self.send.assert_called_once()
        assert self.ask(key="k2").status_code == 200

    def test_afterwards_a_pin_is_carried_out(self) -> None:
        body = {"pin": True, "messageId": "3EB0", "duration": "7d"}
        self.ask(PIN, body)
        self.left_open()
        self.age(minutes=2)
        assert self.ask(PIN, body).status_code == 200
        assert self.pin.call_count == 2
        assert self.ask(PIN, body).headers[idempotency.REPLAYED] == "true"

    def test_one_that_was_only_slow_does_not_disturb_its_follower(self) -> None:
        body = {"pin": True, "messageId": "3EB0", "duration": "7d"}
        self.ask(PIN, body)
        self.left_open()
        slow = KeptAnswer.objects.get()
        self.age(minutes=2)
        self.ask(PIN, body)
        idempotency.settle(slow, 500, "{}")
        assert KeptAnswer.objects.get().status == 200
        self.left_open()
        idempotency.release(slow)
        assert KeptAnswer.objects.exists()

    def test_housekeeping(self) -> None:
        self.ask()
        self.age(hours=23)
        assert idempotency.forget_keys() == 0
        self.age(hours=2)
        assert idempotency.forget_keys() == 1


class AtOnce(TransactionTestCase):
    def test_of_many_one_is_carried_out(self) -> None:
        account = Account.objects.create(name="Alice")
        Instance.objects.create(account=account, name="shop")
        _, secret = tokens.issue(account)
        begun, go_on, answers = threading.Event(), threading.Event(), []

        def slow(*_: Any, **__: Any) -> None:
            begun.set()
            assert go_on.wait(60)

        def ask() -> None:
            body = {"name": "sales"}
            response = self.client.post(
                NEW, json.dumps(body), content_type="text/plain", headers={"token": secret, "idempotency-key": "k1"}
            )
            answers.append((response.status_code, response.headers.get(idempotency.REPLAYED)))
            connection.close()

        with patch("instances.whatsapp.service.announce", side_effect=slow) as announce:
            first = threading.Thread(target=ask)
            first.start()
            assert begun.wait(60)
            others = [threading.Thread(target=ask) for _ in range(3)]
            for thread in others:
                thread.start()
            for thread in others:
                thread.join()
            assert answers == [(409, None)] * 3
            go_on.set()
            first.join()
            ask()
        assert answers[3:] == [(200, None), (200, "true")]
        announce.assert_called_once()


class Fingerprints(PropertyTestCase):
    VALUES = st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text(max_size=5))

    @given(VALUES, VALUES)
    def test_it_tells_bodies_apart(self, one: dict[str, Any], other: dict[str, Any]) -> None:
        def of(body: dict[str, Any]) -> str:
            sent = json.dumps(dict(reversed(body.items())))
            return idempotency.fingerprint(RequestFactory().post("/api/x", sent, content_type="text/plain"))

        assert (of(one) == of(other)) == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))
        assert of(one) == of(dict(reversed(one.items())))
