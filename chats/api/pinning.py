"""The REST endpoint that pins and unpins. It parses and answers; the rules are in `chats.pins`."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from chats import pins
from chats.api.described import sending as described
from chats.errors import CannotBePinned, InvalidDuration, MessageAmbiguous, MessageNotFound
from instances import tokens
from instances.models import Token
from instances.whatsapp.errors import Busy, NotAllowed, NotConfirmed, NotConnected, Refused
from portal.rest.body import read_fields
from portal.rest.errors import ApiError
from portal.rest.views import PINNING, InstanceView


class PinMessage(InstanceView):
    """POST /api/chat/pinMessage/:instance pins or unpins a message for everyone in the chat."""

    scopes = PINNING
    repeatable = True
    statuses = {
        MessageNotFound: 500,
        MessageAmbiguous: 409,
        InvalidDuration: 500,
        NotConnected: 500,
        NotConfirmed: 504,
        Busy: 504,
        Refused: 502,
        NotAllowed: 403,
        CannotBePinned: 409,
    }

    @described.PIN_MESSAGE
    def post(self, request: Request, name: str) -> Response:
        """Answer 200 when WhatsApp's server acknowledged the pin, or had before."""
        fields = read_fields(request._request)
        pinning = fields.flag("pin", "true pins, false unpins")
        message_id = fields.text("messageId")
        chat_jid = fields.text("chatJid").strip() or None
        # Unpinning has no duration: whatever stands there is not looked at.
        duration = fields.text("duration") if pinning else ""
        if not message_id.strip():
            raise ApiError(400, "messageId is required")

        message = pins.find_message(self.instance, message_id, chat_jid)
        if pinning:
            pins.pin(message, pins.parse_duration(duration), asker(self.token))
        else:
            pins.unpin(message, asker(self.token))

        answer: dict[str, Any] = {
            "success": True,
            "message": "Message pinned successfully" if pinning else "Message unpinned successfully",
            "chat_jid": message.chat.jid,
            "message_id": message.message_id,
            "pinned": pinning,
        }
        if pinning:
            answer["duration"] = duration
        return Response(answer)


def asker(token: Token) -> pins.Asker:
    """The token's holder, as a pin's history names them."""
    return pins.Asker(words=tokens.holder(token), token=token)
