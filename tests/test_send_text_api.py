"""POST /api/message/sendText/:instance: a test for each row of the contract."""

from typing import Any
from unittest.mock import patch

from django.db import InterfaceError, OperationalError
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone

from chats.models import Message
from instances.models import Instance
from instances.whatsapp.commands import TextOrder
from instances.whatsapp.errors import Blocked, Busy, NotConfirmed, NotConnected, NotInGroup, NotOnWhatsApp, Refused
from instances.whatsapp.service import Sent
from tests.base import ApiTestCase

JID = "5511999999999@s.whatsapp.net"
OTHER = "5511888888888@s.whatsapp.net"
GROUP = "120363406289005073@g.us"


class SendTextTestCase(ApiTestCase):
    """A connector that stores what it sends, as the real one does."""

    def setUp(self) -> None:
        super().setUp()
        self.send = self.enterContext(patch("instances.whatsapp.service.send_text", side_effect=self.carry_out))

    def carry_out(self, instance: Instance, order: TextOrder) -> Sent:
        message = self.make_message("SENT", instance=instance, chat=order.chat)
        message.from_me, message.text, message.quoted_id = True, order.text, order.quoted_id
        message.save()
        return Sent("SENT", message.chat.jid, message.sent_at)

    def ask(self, token: str | None = None, name: str = "shop", **body: Any) -> HttpResponse:
        body = {"number": "5511999999999", "text": "Hello", **body}
        return self.post(f"/api/message/sendText/{name}", body, token=self.alice if token is None else token)

    @property
    def order(self) -> TextOrder:
        order = self.send.call_args.args[1]
        assert isinstance(order, TextOrder)
        return order


class Success(SendTextTestCase):
    def test_it_works(self) -> None:
        self.assert_answer(
            self.ask(),
            {
                "success": True,
                "message": "Text sent successfully",
                "chat_jid": JID,
                "message_id": "SENT",
                "timestamp": "2026-02-16T18:32:39Z",
                "quoted_id": None,
            },
        )
        assert (self.order.chat, self.order.text, self.order.known) == (JID, "Hello", False)
        assert 0 < self.order.seconds_left <= 15

    def test_a_known_chat_goes_by_the_name_on_the_wire(self) -> None:
        message = self.make_message("OLD")
        Message.objects.filter(pk=message.pk).update(wire_chat="777@lid")
        assert self.ask().status_code == 200
        assert (self.order.chat, self.order.known) == ("777@lid", True)

    def test_a_reply(self) -> None:
        message = self.make_message("OLD")
        Message.objects.filter(pk=message.pk).update(wire_sender="777@lid", text="x" * 5000)
        assert self.ask(quotedId="OLD").json()["quoted_id"] == "OLD"  # type: ignore[attr-defined]
        assert (self.order.quoted_id, self.order.quoted_sender) == ("OLD", "777@lid")
        assert self.order.quoted_text == "x" * 1000

    def test_a_group(self) -> None:
        assert self.ask(number=GROUP).status_code == 200
        assert self.order.chat == GROUP

    def test_the_text_goes_out_as_it_came(self) -> None:
        for text in (" two\n\nlines ", "😀" * 65_536):
            assert self.ask(text=text).status_code == 200
            assert self.order.text == text
            Message.objects.all().delete()

    def test_the_database_goes_when_it_was_sent(self) -> None:
        """Was red: 503, which says that nothing was sent, and it was sent again."""
        usual = self.ask().content
        for error in (OperationalError, InterfaceError):
            Message.objects.all().delete()
            with patch.object(QuerySet, "latest", side_effect=error):
                response = self.ask(number=f"+{JID.partition('@')[0]}")
            assert (response.status_code, response.content) == (200, usual)

    def test_and_its_chat_is_one_nobody_knew(self) -> None:
        """Nor does the caller know how WhatsApp spells the number."""

        def send(instance: Instance, order: TextOrder) -> Sent:
            return Sent("SENT", OTHER, timezone.now())

        self.send.side_effect = send
        with patch.object(QuerySet, "latest", side_effect=OperationalError):
            assert self.ask().json()["chat_jid"] == OTHER  # type: ignore[attr-defined]

    def test_and_the_connector_is_an_earlier_version(self) -> None:
        self.send.side_effect = [Sent("SENT")]
        with patch.object(QuerySet, "latest", side_effect=OperationalError):
            self.assert_error(self.ask(), 504, "WhatsApp did not confirm in time")

    def test_an_instance_token(self) -> None:
        assert self.ask(self.alice_shop).status_code == 200


class Refusals(SendTextTestCase):
    def test_strangers(self) -> None:
        wrong = "Instance token does not match the requested instance"
        self.assert_error(self.ask(""), 401, "Missing token in header")
        self.assert_error(self.ask("wap_x"), 401, "Invalid token")
        self.assert_error(self.ask(self.charlie, "desk"), 404, "Instance not found")
        self.assert_error(self.ask(self.charlie_stall), 403, wrong)
        self.assert_error(self.ask(self.bob_desk), 403, wrong)
        self.assert_error(self.ask(name="%20"), 400, "Instance name is required")
        self.send.assert_not_called()
        assert self.ask(self.charlie).status_code == 200
        assert self.send.call_args.args[0] == self.charlies_shop

    def test_fields(self) -> None:
        for value in (None, "", " "):
            self.assert_error(self.ask(number=value), 400, "Number is required")
            self.assert_error(self.ask(text=value), 400, "Text is required")
        self.assert_error(self.ask(text=7), 400, "Invalid request body: text must be a string, not a number")
        words = "Invalid request body: text must have at most 65536 characters"
        self.assert_error(self.ask(text="x" * 65_537), 400, words)
        assert self.ask(number="nobody").status_code == 400
        for number in ("status@broadcast", "123@newsletter"):
            words = "Invalid request body: number must be a person's or a group's"
            self.assert_error(self.ask(number=number), 400, words)
        self.send.assert_not_called()

    def test_the_quoted_message_must_be_in_the_chat(self) -> None:
        self.make_message("ELSEWHERE", chat=OTHER)
        self.make_message("DESK", instance=self.desk)
        deleted = self.make_message("DELETED")
        Message.objects.filter(pk=deleted.pk).update(deleted_at=timezone.now())
        for name in ("ELSEWHERE", "DESK", "DELETED", "NOTHING"):
            self.assert_error(self.ask(quotedId=name), 404, f"message with ID {name} not found")
        self.assert_error(self.ask(number=GROUP, quotedId="X"), 404, "message with ID X not found")
        self.send.assert_not_called()

    def test_what_whatsapp_and_the_connection_say(self) -> None:
        for error, status, words in (
            (NotConnected(), 503, "WhatsApp client is not connected"),
            (Busy(), 503, "The instance is busy with an earlier message. Nothing was sent: try again."),
            (NotOnWhatsApp(), 400, "Number is not on WhatsApp"),
            (NotConfirmed(), 504, "WhatsApp did not confirm in time"),
            (Refused("error 479"), 502, "WhatsApp refused the message: error 479"),
            (NotInGroup(), 403, "This account is not in the group any more: ask a member to add it again"),
            (Blocked(), 403, "This contact is blocked: unblock them on the phone first"),
        ):
            self.send.side_effect = error
            self.assert_error(self.ask(), status, words)

    def test_other_methods(self) -> None:
        response = self.call("GET", "/api/message/sendText/shop", token=self.alice)
        self.assert_error(response, 405, "Method GET is not allowed here: use POST")
