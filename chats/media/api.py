"""The REST endpoint for the file behind a message."""

from django.http.response import HttpResponseBase
from rest_framework.request import Request

from chats import media, pins
from chats.errors import MessageAmbiguous, MessageNotFound
from chats.media import described
from chats.media.response import BehindTheEnd, answer
from chats.models import Message
from instances.whatsapp import errors
from portal.rest.errors import ApiError
from portal.rest.query import Parameters
from portal.rest.views import READING, InstanceView


class GetMedia(InstanceView):
    """GET /api/chat/media/:instance: the file of a message, fetched from WhatsApp if need be."""

    scopes = READING
    statuses = {
        MessageNotFound: 404,
        MessageAmbiguous: 409,
        errors.NoMedia: 404,
        errors.ViewOnce: 403,
        errors.MediaTooLarge: 413,
        errors.MediaTooHeavy: 413,
        errors.MediaGone: 410,
        errors.MediaBroken: 502,
        errors.MediaUnreachable: 504,
        errors.MediaBusy: 503,
        errors.NotConnected: 503,
    }

    @described.MEDIA
    def get(self, request: Request, name: str) -> HttpResponseBase:
        """Answer with the file itself, to be saved."""
        parameters = Parameters(request)
        message_id = parameters.text("messageId")
        if not message_id:
            raise ApiError(400, "messageId is required")
        found = pins.find_message(self.instance, message_id, parameters.text("chatJid") or None)
        message = Message.objects.get(pk=found.pk)
        message.instance = self.instance
        try:
            return answer(request._request, media.open_media(message), inline=False)
        except BehindTheEnd as error:
            raise ApiError(416, str(error), error.headers) from None
