"""POST /api/message/sendText. It parses and answers; the rules are in `chats.texts`."""

from rest_framework.request import Request
from rest_framework.response import Response

from chats import texts
from chats.api.described import sending as described
from chats.errors import MessageNotFound, NoChat
from chats.harmless import LONGEST_TEXT
from chats.numbers import InvalidNumber
from instances.whatsapp.errors import Busy, NotAllowed, NotConfirmed, NotConnected, NotOnWhatsApp, Refused
from portal.rest.body import read_fields
from portal.rest.errors import ApiError, InvalidBody
from portal.rest.views import InstanceView


class SendText(InstanceView):
    """POST /api/message/sendText/:instance sends a text, as a reply if it quotes a message."""

    statuses = {
        MessageNotFound: 404,
        NotAllowed: 403,
        NotConnected: 503,
        NotOnWhatsApp: 400,
        NotConfirmed: 504,
        Refused: 502,
    }

    @described.SEND_TEXT
    def post(self, request: Request, name: str) -> Response:
        """Answer 200 when WhatsApp's server acknowledged the message and it is stored."""
        fields = read_fields(request._request)
        number, text, quoted_id = fields.text("number"), fields.text("text"), fields.text("quotedId").strip()
        if not number.strip():
            raise ApiError(400, "Number is required")
        if not text.strip():
            raise ApiError(400, "Text is required")
        if len(text) > LONGEST_TEXT:
            raise InvalidBody(f"text must have at most {LONGEST_TEXT} characters")
        try:
            sent = texts.send(self.instance, number, text, quoted_id)
        except (InvalidNumber, NoChat) as error:
            raise InvalidBody(str(error)) from None
        except Busy:
            # Unlike 504, this may be tried again without sending twice.
            raise ApiError(503, "The instance is busy with an earlier message. Nothing was sent: try again.") from None
        return Response(
            {
                "success": True,
                "message": "Text sent successfully",
                "chat_jid": sent.chat.jid,
                "message_id": sent.message_id,
                "timestamp": sent.sent_at,
                "quoted_id": sent.quoted_id or None,
            }
        )
