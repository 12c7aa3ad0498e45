"""pinChat and favorite: every row of the contract, up to what the library cannot do."""

from typing import Any

from django.http import HttpResponse

from chats.api.private import CANNOT_PIN_CHATS, CANNOT_STAR
from tests.base import ApiTestCase

JID = "5511999999999@s.whatsapp.net"
BODIES: dict[str, dict[str, Any]] = {
    "pinChat": {"number": JID, "pin": True},
    "favorite": {"messageId": "3EB0", "favorite": True},
}


class Private(ApiTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.make_message("3EB0")
        type(self.shop).objects.filter(pk=self.shop.pk).update(state="connected")

    def ask(self, verb: str, *, name: str = "shop", token: str | None = None, **changes: Any) -> HttpResponse:
        body = {key: value for key, value in {**BODIES[verb], **changes}.items() if value != "left out"}
        return self.post(f"/api/chat/{verb}/{name}", body, token=self.alice if token is None else token)

    def test_it_says_that_it_cannot(self) -> None:
        self.assert_error(self.ask("pinChat"), 501, CANNOT_PIN_CHATS)
        self.assert_error(self.ask("pinChat", pin=False), 501, CANNOT_PIN_CHATS)
        self.assert_error(self.ask("favorite"), 501, CANNOT_STAR)
        self.assert_error(self.ask("favorite", messageId=None, number="5511999999999"), 501, CANNOT_STAR)

    def test_not_connected(self) -> None:
        type(self.shop).objects.filter(pk=self.shop.pk).update(state="disconnected")
        for verb in BODIES:
            self.assert_error(self.ask(verb), 503, "Instance is not connected to WhatsApp")

    def test_the_number_is_required(self) -> None:
        for number in ("left out", None, "", " "):
            self.assert_error(self.ask("pinChat", number=number), 400, "Number is required")

    def test_a_number_or_a_message_is_required(self) -> None:
        for nothing in ("left out", None, " "):
            self.assert_error(self.ask("favorite", messageId=nothing), 400, "Either number or messageId is required")

    def test_the_message_takes_precedence(self) -> None:
        self.assert_error(self.ask("favorite", messageId="NOTHING", number=JID), 404, "Message not found")
        self.make_message("DESK", instance=self.desk)
        self.assert_error(self.ask("favorite", messageId="DESK"), 404, "Message not found")

    def test_a_message_in_several_chats(self) -> None:
        self.make_message("3EB0", chat="5511888888888@s.whatsapp.net")
        words = "message with ID 3EB0 exists in more than one chat: send chatJid"
        self.assert_error(self.ask("favorite"), 409, words)
        self.assert_error(self.ask("favorite", chatJid=JID), 501, CANNOT_STAR)

    def test_what_does_not_fit(self) -> None:
        for verb, name in (("pinChat", "pin"), ("favorite", "favorite")):
            for value in ("left out", None, "true", 1):
                changes: dict[str, Any] = {name: value}
                assert self.ask(verb, **changes).status_code == 400
            response = self.ask(verb, number="nobody", messageId=None)
            assert "number must be a phone number" in response.content.decode()

    def test_strangers(self) -> None:
        for verb in BODIES:
            self.assert_error(self.ask(verb, name=""), 400, "Instance name is required")
            self.assert_error(self.ask(verb, token=""), 401, "Missing token in header")
            self.assert_error(self.ask(verb, token="wap_x"), 401, "Invalid token")
            self.assert_error(self.ask(verb, name="desk", token=self.charlie), 404, "Instance not found")
            assert self.ask(verb, token=self.bob_desk).status_code == 403
