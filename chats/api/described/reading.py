"""The endpoints that read, described for OpenAPI."""

from chats.api.described.common import AT, ENDING, ID, JID, PAGED, SAID, SUCCESS, TAKEN_AS_NUMBER, WHICH_MESSAGE
from chats.models import Chat, Pin, PinEvent
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

HISTORY = described(
    "The stored messages of a chat, newest first",
    keeps=False,
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
                type={"enum": Chat.Kind.values},
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
    parameters=[*WHICH_MESSAGE, LIMIT, CURSOR],
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
