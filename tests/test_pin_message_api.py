"""POST /api/chat/pinMessage/:instance: one test for each row of the contract."""

from typing import Any
from unittest.mock import patch

from django.http import HttpResponse

from chats.errors import InvalidDuration, MessageDeleted, MessageDisappeared, NotInAConversation
from chats.models import Pin
from instances.whatsapp.errors import (
    AdminsOnly,
    AdminsWrite,
    Blocked,
    Busy,
    NotConfirmed,
    NotConnected,
    NotInGroup,
    Refused,
)
from tests.base import ApiTestCase

ID = "3EB08FCF27E532F1B0F5"
JID = "5511999999999@s.whatsapp.net"
OTHER_JID = "5511888888888@s.whatsapp.net"
MISSING: Any = object()


class PinMessageTestCase(ApiTestCase):
    """A stored message in Alice's shop; WhatsApp acknowledges whatever is asked of it."""

    def setUp(self) -> None:
        super().setUp()
        self.message = self.make_message(ID)
        self.pin = self.enterContext(patch("chats.pins.pin", return_value=Pin(message=self.message)))
        self.unpin = self.enterContext(patch("chats.pins.unpin", return_value=Pin(message=self.message)))

    def ask(self, *, token: str | None = None, name: str = "shop", **changes: Any) -> HttpResponse:
        body = {"pin": True, "messageId": ID, "duration": "7d", **changes}
        sent = {key: value for key, value in body.items() if value is not MISSING}
        return self.post(f"/api/chat/pinMessage/{name}", sent, token=self.alice if token is None else token)

    def assert_nothing_asked(self) -> None:
        self.pin.assert_not_called()
        self.unpin.assert_not_called()


class Success(PinMessageTestCase):
    def test_it_works(self) -> None:
        response = self.ask()
        self.assert_answer(
            response,
            {
                "success": True,
                "message": "Message pinned successfully",
                "chat_jid": JID,
                "message_id": ID,
                "pinned": True,
                "duration": "7d",
            },
        )
        (message, duration, asker), _ = self.pin.call_args
        assert (message, duration) == (self.message, 604800)
        assert (asker.words, asker.token) == ("token 'Alice'", self.alice_token)
        self.unpin.assert_not_called()

    def test_unpin(self) -> None:
        response = self.ask(pin=False, duration=MISSING)
        self.assert_answer(
            response,
            {
                "success": True,
                "message": "Message unpinned successfully",
                "chat_jid": JID,
                "message_id": ID,
                "pinned": False,
            },
        )
        (message, asker), _ = self.unpin.call_args
        assert (message, asker.token) == (self.message, self.alice_token)
        self.pin.assert_not_called()

    def test_the_three_durations(self) -> None:
        for duration, seconds in {"24h": 86_400, "7d": 604_800, "30d": 2_592_000}.items():
            with self.subTest(duration):
                response = self.ask(duration=duration)
                assert response.json()["duration"] == duration  # type: ignore[attr-defined]
                assert self.pin.call_args.args[1] == seconds

    def test_unpinning_ignores_the_duration_whatever_it_holds(self) -> None:
        durations: tuple[Any, ...] = ("7d", "1h", "", None, 7, True, [], {"a": 1}, "\0", "\ud800")
        for duration in durations:
            with self.subTest(duration=duration):
                response = self.ask(pin=False, duration=duration)
                assert response.status_code == 200
                assert "duration" not in response.json()  # type: ignore[attr-defined]

    def test_an_instance_token_opens_its_instance(self) -> None:
        assert self.ask(token=self.alice_shop).status_code == 200

    def test_bob_shares_alices_account(self) -> None:
        assert self.ask(token=self.bob).status_code == 200
        assert self.pin.call_args.args[2].words == "token 'Bob'"

    def test_a_token_without_a_label_is_named_by_its_start(self) -> None:
        self.make_message(ID, instance=self.stall)
        assert self.ask(token=self.charlie_stall, name="stall").status_code == 200
        assert self.pin.call_args.args[2].words == f"token {self.charlie_stall[:12]}…"

    def test_fields_we_do_not_know_are_ignored(self) -> None:
        assert self.ask(linkPreview={"a": [1, None]}).status_code == 200

    def test_a_name_may_hold_spaces_and_letters_of_any_language(self) -> None:
        self.shop.name = "Loja São Paulo 1"
        self.shop.save()
        assert self.ask(name="Loja%20S%C3%A3o%20Paulo%201").status_code == 200


class InstanceName(PinMessageTestCase):
    def test_it_is_required(self) -> None:
        for path in ("/api/chat/pinMessage/", "/api/chat/pinMessage", "/api/chat/pinMessage/%20"):
            with self.subTest(path):
                body = {"pin": True, "messageId": ID, "duration": "7d"}
                self.assert_error(self.post(path, body, token=self.alice), 400, "Instance name is required")
        self.assert_nothing_asked()

    def test_it_comes_before_the_token_and_the_body(self) -> None:
        self.assert_error(self.post("/api/chat/pinMessage/"), 400, "Instance name is required")


class Strangers(PinMessageTestCase):
    def tearDown(self) -> None:
        self.assert_nothing_asked()
        super().tearDown()

    def test_no_token(self) -> None:
        self.assert_error(self.ask(token=""), 401, "Missing token in header")

    def test_an_unknown_token(self) -> None:
        self.assert_error(self.ask(token="wap_nonsense"), 401, "Invalid token")

    def test_charlie_cannot_tell_alices_desk_from_nothing(self) -> None:
        self.assert_error(self.ask(token=self.charlie, name="desk"), 404, "Instance not found")
        self.assert_error(self.ask(token=self.charlie, name="nothing"), 404, "Instance not found")

    def test_charlies_shop_is_not_alices(self) -> None:
        """The names are the same, and the message is not among his."""
        self.assert_error(self.ask(token=self.charlie), 500, f"message with ID {ID} not found")

    def test_charlies_instance_token(self) -> None:
        wrong = "Instance token does not match the requested instance"
        self.assert_error(self.ask(token=self.charlie_stall), 403, wrong)
        self.assert_error(self.ask(token=self.charlie_stall, name="desk"), 403, wrong)

    def test_bobs_token_for_the_desk_does_not_open_the_shop(self) -> None:
        wrong = "Instance token does not match the requested instance"
        self.assert_error(self.ask(token=self.bob_desk), 403, wrong)
        self.assert_error(self.ask(token=self.bob_desk, name="nothing"), 403, wrong)

    def test_names_no_database_likes(self) -> None:
        for name in ("%00", "sh%00op", "%0A", "x" * 5000, "%ff", "..", "SHOP"):
            with self.subTest(name):
                self.assert_error(self.ask(name=name), 404 if name != "%0A" else 400, self.words_for(name))

    def words_for(self, name: str) -> str:
        return "Instance name is required" if name == "%0A" else "Instance not found"

    def test_the_instance_comes_before_the_body(self) -> None:
        response = self.post("/api/chat/pinMessage/nothing", b"nonsense", token=self.alice)
        self.assert_error(response, 404, "Instance not found")


class Fields(PinMessageTestCase):
    def tearDown(self) -> None:
        self.assert_nothing_asked()
        super().tearDown()

    def refused(self, what: str, **changes: Any) -> None:
        self.assert_error(self.ask(**changes), 400, f"Invalid request body: {what}")

    def test_pin_is_required(self) -> None:
        self.refused("pin is required: true pins, false unpins", pin=MISSING)

    def test_pin_is_true_or_false_and_nothing_else(self) -> None:
        for value, words in {None: "null", "true": "a string", 1: "a number", 0.0: "a number"}.items():
            self.refused(f"pin must be true or false, not {words}", pin=value)
        self.refused("pin must be true or false, not an array", pin=[True])
        self.refused("pin must be true or false, not an object", pin={})

    def test_message_id_is_required(self) -> None:
        for value in (MISSING, None, "", " ", "\t\n"):
            with self.subTest(repr(value)):
                self.assert_error(self.ask(messageId=value), 400, "messageId is required")

    def test_message_id_is_a_string(self) -> None:
        self.refused("messageId must be a string, not a number", messageId=7)
        self.refused("messageId must be a string, not true or false", messageId=True)
        self.refused("messageId must be a string, not an array", messageId=[ID])

    def test_chat_jid_is_a_string(self) -> None:
        self.refused("chatJid must be a string, not a number", chatJid=5511999999999)

    def test_duration_is_a_string(self) -> None:
        self.refused("duration must be a string, not a number", duration=7)

    def test_what_no_text_may_hold(self) -> None:
        """PostgreSQL refuses NUL, and half a pair has no UTF-8."""
        half = "contains half a surrogate pair (\\ud800 to \\udfff), which is no character"
        for name in ("messageId", "chatJid", "duration"):
            self.refused(f"{name} must not contain a NUL character (\\u0000)", **{name: "3EB0\0"})
            self.refused(f"{name} {half}", **{name: "3EB0\ud800"})
            self.refused(f"{name} {half}", **{name: "\udfff3EB0"})

    def test_the_bodys_shape_comes_before_the_message_id(self) -> None:
        self.refused("duration must be a string, not a number", messageId=MISSING, duration=7)
        self.refused("chatJid must be a string, not a number", messageId=MISSING, chatJid=7)


class Rows(PinMessageTestCase):
    def test_message_not_found(self) -> None:
        self.assert_error(self.ask(messageId="3EB0?"), 500, "message with ID 3EB0? not found")
        self.assert_nothing_asked()

    def test_a_message_of_another_instance_is_not_found(self) -> None:
        self.make_message("DESK", instance=self.desk)
        self.assert_error(self.ask(messageId="DESK"), 500, "message with ID DESK not found")
        self.make_message("CHARLIE", instance=self.charlies_shop)
        self.assert_error(self.ask(messageId="CHARLIE"), 500, "message with ID CHARLIE not found")

    def test_the_id_stands_in_the_answer_as_it_was_sent(self) -> None:
        for name in ('"<b>&', "😀é\u2028", "x" * 100_000, " 3EB0 "):
            self.assert_error(self.ask(messageId=name), 500, f"message with ID {name} not found")

    def test_message_in_more_than_one_chat(self) -> None:
        self.make_message(ID, chat=OTHER_JID)
        self.assert_error(self.ask(), 409, f"message with ID {ID} exists in more than one chat: send chatJid")
        self.assert_nothing_asked()

    def test_chat_jid_names_the_chat(self) -> None:
        self.make_message(ID, chat=OTHER_JID)
        assert self.ask(chatJid=OTHER_JID).json()["chat_jid"] == OTHER_JID  # type: ignore[attr-defined]
        assert self.pin.call_args.args[0].chat.jid == OTHER_JID

    def test_an_empty_chat_jid_is_none(self) -> None:
        for value in (None, "", " "):
            assert self.ask(chatJid=value).status_code == 200

    def test_invalid_duration(self) -> None:
        for value in ("1h", "7D", " 7d", "604800", "é", ""):
            with self.subTest(value):
                self.assert_error(
                    self.ask(duration=value), 500, f'invalid duration "{value}": use "24h", "7d" or "30d"'
                )
        self.assert_nothing_asked()

    def test_missing_duration(self) -> None:
        for value in (MISSING, None):
            self.assert_error(self.ask(duration=value), 500, 'invalid duration "": use "24h", "7d" or "30d"')
        self.assert_nothing_asked()

    def test_the_message_comes_before_the_duration(self) -> None:
        self.assert_error(self.ask(messageId="3EB0?", duration="1h"), 500, "message with ID 3EB0? not found")

    def test_the_duration_comes_before_the_connection(self) -> None:
        self.pin.side_effect = NotConnected
        self.assert_error(self.ask(duration="1h"), 500, str(InvalidDuration("1h")))

    def test_not_connected(self) -> None:
        self.pin.side_effect = self.unpin.side_effect = NotConnected
        self.assert_error(self.ask(), 500, "WhatsApp client is not connected")
        self.assert_error(self.ask(pin=False), 500, "WhatsApp client is not connected")

    def test_no_confirmation_in_time(self) -> None:
        self.pin.side_effect = NotConfirmed
        self.assert_error(self.ask(), 504, "WhatsApp did not confirm in time")

    def test_the_connection_was_busy_all_the_time(self) -> None:
        self.pin.side_effect = Busy
        self.assert_error(self.ask(), 504, "WhatsApp did not confirm in time")

    def test_whatsapp_refused(self) -> None:
        self.pin.side_effect = Refused("forbidden (403)")
        self.assert_error(self.ask(), 502, "WhatsApp refused the message: forbidden (403)")

    def test_what_nobody_would_see_is_refused_beforehand(self) -> None:
        for error in (AdminsOnly, AdminsWrite, NotInGroup, Blocked):
            self.pin.side_effect = self.unpin.side_effect = error
            self.assert_error(self.ask(), 403, error.sentence)
            self.assert_error(self.ask(pin=False), 403, error.sentence)

    def test_a_message_the_phones_do_not_have_any_more(self) -> None:
        self.pin.side_effect = MessageDeleted(ID)
        words = f"message with ID {ID} was deleted for everyone: it cannot be pinned"
        self.assert_error(self.ask(), 409, words)
        self.pin.side_effect = MessageDisappeared(ID)
        words = f"message with ID {ID} has disappeared from the phones: it cannot be pinned"
        self.assert_error(self.ask(), 409, words)

    def test_a_message_where_phones_know_no_pins(self) -> None:
        self.pin.side_effect = self.unpin.side_effect = NotInAConversation(ID)
        words = f"message with ID {ID} stands in a status, a channel or a broadcast list: it cannot be pinned"
        self.assert_error(self.ask(), 409, words)
        self.assert_error(self.ask(pin=False), 409, words)

    def test_other_methods(self) -> None:
        for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PIN"):
            with self.subTest(method):
                response = self.call(method, "/api/chat/pinMessage/shop", token=self.alice)
                assert response.headers["Allow"] == "POST"
                self.assert_error(response, 405, f"Method {method} is not allowed here: use POST")
