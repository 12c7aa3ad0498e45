"""The REST endpoints of what is private to the account: a chat pinned in its own list, a star.

Both are changes of app state, and the client library cannot send those: they
check all that the contract says, and then say so (docs/wire.md has the evidence).
"""

from typing import NoReturn

from rest_framework.request import Request
from rest_framework.response import Response

from chats import pins
from chats.api.described import sending as described
from chats.errors import MessageAmbiguous, MessageNotFound
from chats.numbers import InvalidNumber, jid_of
from instances.states import State
from portal.rest.body import read_fields
from portal.rest.errors import ApiError, InvalidBody
from portal.rest.views import PINNING, InstanceView

CANNOT_PIN_CHATS = (
    "Chats cannot be pinned from here: the WhatsApp library (neonize 0.5.2) cannot send this change. "
    "Pin the chat on the phone, or a message with pinMessage"
)
CANNOT_STAR = (
    "Nothing can be starred from here: the WhatsApp library (neonize 0.5.2) cannot send this change. "
    "Star it on the phone"
)


class PinChat(InstanceView):
    """POST /api/chat/pinChat/:instance would pin a chat in the account's own list."""

    scopes = PINNING
    repeatable = True

    @described.PIN_CHAT
    def post(self, request: Request, name: str) -> Response:
        """Refuse in the contract's order."""
        fields = read_fields(request._request)
        fields.flag("pin", "true pins, false unpins")
        number = fields.text("number").strip()
        if not number:
            raise ApiError(400, "Number is required")
        _check(number)
        self.refuse(CANNOT_PIN_CHATS)

    def refuse(self, why: str) -> NoReturn:
        """Not connected is said first: it is what the caller can mend."""
        if self.instance.state != State.CONNECTED:
            raise ApiError(503, "Instance is not connected to WhatsApp")
        raise ApiError(501, why)


class Favorite(PinChat):
    """POST /api/chat/favorite/:instance would star a message or a chat."""

    @described.FAVORITE
    def post(self, request: Request, name: str) -> Response:
        """Refuse in the contract's order; a message takes precedence over a number."""
        fields = read_fields(request._request)
        fields.flag("favorite", "true stars, false takes the star away")
        number, message_id = fields.text("number").strip(), fields.text("messageId").strip()
        if not number and not message_id:
            raise ApiError(400, "Either number or messageId is required")
        if message_id:
            try:
                pins.find_message(self.instance, message_id, fields.text("chatJid").strip() or None)
            except MessageNotFound:
                raise ApiError(404, "Message not found") from None
            except MessageAmbiguous as error:
                raise ApiError(409, str(error)) from None
        else:
            _check(number)
        self.refuse(CANNOT_STAR)


def _check(number: str) -> None:
    try:
        jid_of(number)
    except InvalidNumber as error:
        raise InvalidBody(str(error)) from None
