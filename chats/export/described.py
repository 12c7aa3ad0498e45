"""The endpoint that exports, described for OpenAPI."""

from chats.api.described.common import AT, ID, JID, SUCCESS
from portal.rest.openapi import (
    FLAG,
    KIND,
    MAYBE,
    MAYBE_TIME,
    NUMBER,
    STRING,
    TIME,
    described,
    parameter,
    several,
    shape,
)

EXPORT = described(
    "Export all hits of a search in one file, newest first",
    parameters=[
        parameter("q", "Words, phrases and filters, as on the search page.", required=True),
        parameter("format", "What kind of file.", schema={"enum": ["csv", "json"], "default": "csv"}),
    ],
    files=["text/csv"],
    answer=shape(
        success=SUCCESS,
        messages=several(
            shape(
                timestamp=TIME,
                instance=STRING,
                chatJid=STRING,
                chatName=STRING,
                senderJid=STRING,
                senderName=STRING,
                fromMe=FLAG,
                type=KIND,
                text=STRING,
                messageId=STRING,
                quotedId=MAYBE,
                editedAt=MAYBE_TIME,
            )
        ),
        count=NUMBER,
    ),
    example={
        "success": True,
        "messages": [
            {
                "timestamp": AT,
                "instance": "shop",
                "chatJid": JID,
                "chatName": "Ana",
                "senderJid": JID,
                "senderName": "Ana",
                "fromMe": False,
                "type": "text",
                "text": "Rua das Flores 12",
                "messageId": ID,
                "quotedId": None,
                "editedAt": None,
            }
        ],
        "count": 1,
    },
    errors=(
        (400, "Invalid parameter: q is required: what to search for"),
        (400, "Invalid parameter: format must be one of csv, json"),
        (503, "Too many exports are running: try again in a few minutes"),
    ),
)
