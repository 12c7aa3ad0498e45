"""The endpoints of chats, described for OpenAPI."""

from chats.harmless import LONGEST_TEXT
from chats.models import Pin, PinEvent
from chats.pins import DURATIONS
from chats.search.query import TYPES
from portal.rest.openapi import (
    CURSOR,
    FLAG,
    INVALID_PARAMETER,
    LIMIT,
    MAYBE,
    MAYBE_TIME,
    NUMBER,
    ROWS,
    STRING,
    TIME,
    described,
    parameter,
    ref,
    several,
    shape,
)

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

PIN_MESSAGE = described(
    "Pin or unpin a message for everyone in the chat",
    body=shape(
        pin={**FLAG, "description": "true pins, false unpins."},
        messageId={**STRING, "minLength": 1},
        optional={
            "duration": {**DURATION, "description": "Required to pin."},
            "chatJid": {**STRING, "description": "Names the chat when the id stands in several."},
        },
    ),
    sent={"pin": True, "messageId": ID, "duration": "7d"},
    answer=shape(
        success=SUCCESS,
        message=STRING,
        chat_jid=STRING,
        message_id=STRING,
        pinned=FLAG,
        optional={"duration": STRING},
    ),
    example={
        "success": True,
        "message": "Message pinned successfully",
        "chat_jid": JID,
        "message_id": ID,
        "pinned": True,
        "duration": "7d",
    },
    errors=(
        (400, "messageId is required"),
        (403, "Only admins may pin messages in this group: ask an admin, or to be made one"),
        (403, "Only admins may write in this group, and so only they may pin: ask an admin, or to be made one"),
        (403, "This account is not in the group any more: ask a member to add it again"),
        (403, "This contact is blocked: unblock them on the phone first"),
        (409, f"message with ID {ID} exists in more than one chat: send chatJid"),
        (409, f"message with ID {ID} was deleted for everyone: it cannot be pinned"),
        (409, f"message with ID {ID} has disappeared from the phones: it cannot be pinned"),
        (500, f"message with ID {ID} not found"),
        (500, 'invalid duration "1h": use "24h", "7d" or "30d"'),
        (500, "WhatsApp client is not connected"),
        (502, "WhatsApp refused the message: error 479"),
        (504, "WhatsApp did not confirm in time"),
    ),
)

SEND_TEXT = described(
    "Send a text, as a reply if it quotes a message",
    body=shape(
        number={**STRING, "minLength": 1, "description": TAKEN_AS_NUMBER},
        text={**STRING, "minLength": 1, "maxLength": LONGEST_TEXT},
        optional={"quotedId": {**STRING, "description": "A stored message of the same chat."}},
    ),
    sent={"number": "5511999999999", "text": "At nine.", "quotedId": ID},
    answer=shape(success=SUCCESS, message=STRING, chat_jid=STRING, message_id=STRING, timestamp=TIME, quoted_id=MAYBE),
    example={
        "success": True,
        "message": "Text sent successfully",
        "chat_jid": JID,
        "message_id": "3EB0A1B2C3D4E5F60718",
        "timestamp": AT,
        "quoted_id": ID,
    },
    errors=(
        (400, "Number is required"),
        (400, "Text is required"),
        (400, "Number is not on WhatsApp"),
        (403, "This account is not in the group any more: ask a member to add it again"),
        (403, "This contact is blocked: unblock them on the phone first"),
        (404, f"message with ID {ID} not found"),
        (502, "WhatsApp refused the message: error 479"),
        (503, "WhatsApp client is not connected"),
        (503, "The instance is busy with an earlier message. Nothing was sent: try again."),
        (504, "WhatsApp did not confirm in time"),
    ),
)

HISTORY = described(
    "The stored messages of a chat, newest first",
    body=shape(
        number={**STRING, "minLength": 1, "description": TAKEN_AS_NUMBER},
        optional={
            "count": ROWS,
            "from": {**TIME, "description": "ISO 8601, included."},
            "to": {**TIME, "description": "ISO 8601, included."},
            "type": {"enum": sorted(TYPES), "description": "Only this type."},
            "sender": {**STRING, "description": f"Only this person's. {TAKEN_AS_NUMBER}"},
            "fromMe": {**FLAG, "description": "Only what was sent from here, or only what was not."},
            "pinned": {**FLAG, "description": "Only what is pinned now, or only what is not."},
            "cursor": {**STRING, "description": "`next` of the answer before: goes on from there."},
        },
    ),
    sent={"number": "5511999999999", "count": 50, "from": AT},
    answer=shape(
        success=SUCCESS,
        messages=several(ref("Message")),
        count=NUMBER,
        hasMore=FLAG,
        chat_jid=STRING,
        next=MAYBE,
    ),
    example={"success": True, "messages": [SAID], "count": 1, "hasMore": False, "chat_jid": JID, "next": None},
    errors=(
        (400, "Number is required"),
        (400, "invalid 'from' date format. Use ISO 8601 format (e.g., '2026-02-16T18:32:39Z')"),
        (400, "invalid 'to' date format. Use ISO 8601 format (e.g., '2026-02-16T18:32:39Z')"),
    ),
)

SEARCH = described(
    "Search messages by text and properties, newest first",
    parameters=[parameter("q", "Words, phrases and filters, as on the search page.", required=True), LIMIT, CURSOR],
    answer=shape(
        success=SUCCESS,
        messages=several(
            {"allOf": [ref("Message"), shape(snippet=several(shape(text=STRING, match=FLAG)))]},
        ),
        **PAGED,
        suggestion=MAYBE,
    ),
    example={
        "success": True,
        "messages": [{**SAID, "snippet": [{"text": "Rua das ", "match": False}, {"text": "Flores", "match": True}]}],
        **ENDING,
        "suggestion": None,
    },
    errors=(INVALID_PARAMETER, (400, "Invalid parameter: q is required: what to search for")),
)

CHATS = described(
    "List chats, the one written in last first",
    parameters=[parameter("q", "A part of the name or number."), LIMIT, CURSOR],
    answer=shape(
        success=SUCCESS,
        chats=several(
            shape(
                jid=STRING,
                lid=MAYBE,
                name=STRING,
                type=STRING,
                adminsOnly=FLAG,
                lastMessageAt=TIME,
                lastMessage={"oneOf": [ref("Message"), {"type": "null"}]},
            )
        ),
        **PAGED,
    ),
    example={
        "success": True,
        "chats": [
            {
                "jid": JID,
                "lid": None,
                "name": "Ana",
                "type": "direct",
                "adminsOnly": False,
                "lastMessageAt": AT,
                "lastMessage": SAID,
            }
        ],
        **ENDING,
    },
    errors=(INVALID_PARAMETER,),
)

PINS = described(
    "List pins: what is pinned, by whom and until when",
    parameters=[
        parameter("number", f"One chat. {TAKEN_AS_NUMBER}"),
        parameter("state", "In which state.", schema={"enum": [*Pin.State.values, "all"], "default": "pinned"}),
        LIMIT,
        CURSOR,
    ],
    answer=shape(
        success=SUCCESS,
        pins=several(
            shape(
                state={"enum": Pin.State.values},
                pinnedAt=MAYBE_TIME,
                expiresAt=MAYBE_TIME,
                duration={"type": ["integer", "null"], "description": "Seconds."},
                by=STRING,
                byName=MAYBE,
                changedAt=TIME,
                message=ref("Message"),
            )
        ),
        **PAGED,
    ),
    example={
        "success": True,
        "pins": [
            {
                "state": "pinned",
                "pinnedAt": AT,
                "expiresAt": "2026-02-23T18:32:39Z",
                "duration": 604_800,
                "by": "token 'CRM'",
                "byName": None,
                "changedAt": AT,
                "message": SAID,
            }
        ],
        **ENDING,
    },
    errors=(INVALID_PARAMETER,),
)

PIN_HISTORY = described(
    "The time line of a message's pin: who did what, when, and how it ended",
    parameters=[
        parameter("messageId", "The message's id.", required=True),
        parameter("chatJid", "The chat, where the id stands in several."),
        LIMIT,
        CURSOR,
    ],
    answer=shape(
        success=SUCCESS,
        lines=several(
            shape(
                change={"enum": PinEvent.Kind.values},
                pinning={**FLAG, "description": "false: it was about unpinning."},
                duration={"type": ["integer", "null"], "description": "Seconds."},
                by=STRING,
                byName=MAYBE,
                detail=MAYBE,
                at=TIME,
            )
        ),
        **PAGED,
    ),
    example={
        "success": True,
        "lines": [
            {
                "change": "acknowledged",
                "pinning": True,
                "duration": 604_800,
                "by": "token 'CRM'",
                "byName": None,
                "detail": None,
                "at": AT,
            }
        ],
        **ENDING,
    },
    errors=(
        INVALID_PARAMETER,
        (400, "messageId is required"),
        (404, f"message with ID {ID} not found"),
        (409, f"message with ID {ID} exists in more than one chat: send chatJid"),
    ),
)

MEDIA = described(
    "Fetch the file of a message",
    parameters=[
        parameter("messageId", "The message's id.", required=True),
        parameter("chatJid", "The chat, where the id stands in several."),
    ],
    files=["application/octet-stream"],
    errors=(
        (400, "messageId is required"),
        (403, "This was sent to be seen once: open it on the phone"),
        (404, f"message with ID {ID} not found"),
        (404, "There is no file behind this message"),
        (409, f"message with ID {ID} exists in more than one chat: send chatJid"),
        (410, "WhatsApp no longer has this file: ask for it to be sent again, or open it on the phone"),
        (413, "This file is larger than the portal fetches: open it on the phone, or raise MEDIA_MAX_MB"),
        (
            413,
            "The portal broke down while it fetched this file, which may be larger than its sender said: "
            "open it on the phone, or try again tomorrow",
        ),
        (502, "This file arrived damaged: what WhatsApp has is not what the sender sent. Ask for it to be sent again"),
        (503, "WhatsApp client is not connected"),
        (503, "Too many files are being fetched at the moment: try again in a minute"),
        (504, "WhatsApp's media server could not be reached: try again in a minute"),
    ),
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
                type=STRING,
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

NOT_CONNECTED = (503, "Instance is not connected to WhatsApp")
PIN_CHAT = described(
    "Pin a chat in the account's own list (not possible with today's library: 501)",
    body=shape(pin=FLAG, number={**STRING, "minLength": 1, "description": TAKEN_AS_NUMBER}),
    sent={"number": "5511999999999", "pin": True},
    answer=shape(success=SUCCESS, message=STRING, chat_jid=STRING, pinned=FLAG),
    example={"success": True, "message": "Chat pinned successfully", "chat_jid": JID, "pinned": True},
    errors=(
        (400, "Number is required"),
        (501, "Chats cannot be pinned from here: the WhatsApp library (neonize 0.5.2) cannot send this change. …"),
        NOT_CONNECTED,
    ),
)
FAVORITE = described(
    "Star a message or a chat (not possible with today's library: 501)",
    body=shape(
        favorite=FLAG,
        optional={
            "number": {**STRING, "description": TAKEN_AS_NUMBER},
            "messageId": {**STRING, "description": "Takes precedence over number."},
            "chatJid": {**STRING, "description": "Names the chat when the id stands in several."},
        },
    ),
    sent={"messageId": ID, "favorite": True},
    answer=shape(
        success=SUCCESS,
        message=STRING,
        type={"enum": ["message", "chat"]},
        chat_jid=STRING,
        favorite=FLAG,
        optional={"message_id": STRING},
    ),
    example={
        "success": True,
        "message": "Message starred successfully",
        "type": "message",
        "chat_jid": JID,
        "message_id": ID,
        "favorite": True,
    },
    errors=(
        (400, "Either number or messageId is required"),
        (404, "Message not found"),
        (409, f"message with ID {ID} exists in more than one chat: send chatJid"),
        (501, "Nothing can be starred from here: the WhatsApp library (neonize 0.5.2) cannot send this change. …"),
        NOT_CONNECTED,
    ),
)

_OUTCOMES = dict.fromkeys(("done", "elsewhere", "failed", "unknown"), NUMBER)
_COUNTS = {"done": 3, "elsewhere": 1, "failed": 0, "unknown": 0}
FIGURES = described(
    "How many pins were made and what came of them, by day, person and chat",
    parameters=[
        parameter("days", "How many days, up to today.", schema={**NUMBER, "minimum": 1, "maximum": 366, "default": 30})
    ],
    answer=shape(
        success=SUCCESS,
        counts=shape(**_OUTCOMES),
        days=several(shape(day=STRING, **_OUTCOMES)),
        people=several(shape(name=STRING, **_OUTCOMES)),
        chats=several(shape(name=STRING, **_OUTCOMES)),
    ),
    example={
        "success": True,
        "counts": _COUNTS,
        "days": [{"day": "2026-02-16", **_COUNTS}],
        "people": [{"name": "Olivia Reis", **_COUNTS}],
        "chats": [{"name": "Ana", **_COUNTS}],
    },
    errors=(INVALID_PARAMETER,),
)
