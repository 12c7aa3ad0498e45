"""What the descriptions of several endpoints have in common, for OpenAPI."""

from chats.pins import DURATIONS
from portal.rest.openapi import FLAG, MAYBE, NUMBER, parameter

ID = "3EB08FCF27E532F1B0F5"
JID = "5511999999999@s.whatsapp.net"
AT = "2026-02-16T18:32:39Z"
SAID = {
    "messageId": ID,
    "chatJid": JID,
    "senderJid": JID,
    "senderName": "Ana",
    "fromMe": False,
    "timestamp": AT,
    "type": "text",
    "text": "Rua das Flores 12",
    "quotedId": None,
    "status": None,
    "editedAt": None,
    "deletedAt": None,
}
# Of every answer that comes page by page.
PAGED = {"count": NUMBER, "hasMore": FLAG, "next": MAYBE}
ENDING = {"count": 1, "hasMore": False, "next": None}
SUCCESS = {"const": True}
# Of a pin; and where it may be none.
DURATION = {"enum": list(DURATIONS)}
MAYBE_DURATION = {"enum": [*DURATIONS, None]}
TAKEN_AS_NUMBER = "A phone number with its country code, or a JID."
WHICH_MESSAGE = (
    parameter("messageId", "The message's id.", required=True),
    parameter("chatJid", "The chat, where the id stands in several."),
)
