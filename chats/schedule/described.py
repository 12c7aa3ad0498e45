"""The endpoints of schedules, described for OpenAPI."""

from chats.api.described.common import AT, DURATION, ENDING, ID, MAYBE_DURATION, PAGED, SAID, SUCCESS
from chats.models import Schedule
from chats.schedule.wish import MOST_WAITING
from portal.rest.openapi import (
    CURSOR,
    INVALID_PARAMETER,
    LIMIT,
    MAYBE,
    MAYBE_TIME,
    STRING,
    TIME,
    described,
    parameter,
    ref,
    several,
    shape,
)

UID = "0b8e5f5e-6f1c-4a53-9d0e-0d4c5c8f7a10"
SHAPE = shape(
    id=STRING,
    state={"enum": Schedule.State.values},
    next={"enum": [*Schedule.Step.values, None]},
    nextAt=MAYBE_TIME,
    pinAt=MAYBE_TIME,
    unpinAt=MAYBE_TIME,
    repeat=MAYBE,
    timeZone=STRING,
    duration=MAYBE_DURATION,
    until={**MAYBE, "description": 'A time, or "stopped".'},
    by=STRING,
    createdAt=TIME,
    last={"enum": [*Schedule.Step.values, None]},
    lastAt=MAYBE_TIME,
    lastOutcome={"enum": [*Schedule.State.values, None]},
    lastDetail=MAYBE,
    message=ref("Message"),
)
EXAMPLE = {
    "id": UID,
    "state": "waiting",
    "next": "pin",
    "nextAt": "2026-12-24T21:00:00Z",
    "pinAt": "2026-12-24T21:00:00Z",
    "unpinAt": None,
    "repeat": None,
    "timeZone": "America/Sao_Paulo",
    "duration": None,
    "until": "2027-03-01T00:00:00Z",
    "by": "token 'CRM'",
    "createdAt": AT,
    "last": None,
    "lastAt": None,
    "lastOutcome": None,
    "lastDetail": None,
    "message": SAID,
}
ANSWER = shape(success=SUCCESS, message=STRING, schedule=SHAPE)

SCHEDULE = described(
    "Pin at a set time, again and again, or for longer than WhatsApp's durations; or unpin at a set time",
    body=shape(
        messageId={**STRING, "minLength": 1},
        optional={
            "chatJid": {**STRING, "description": "Names the chat when the id stands in several."},
            "pinAt": {**TIME, "description": "When to pin. Without a zone of its own: of `timeZone`."},
            "unpinAt": {**TIME, "description": "When to unpin. Goes alone."},
            "repeat": {**STRING, "description": "Five fields of cron, an hour apart at least: pins each time."},
            "timeZone": {**STRING, "description": "Such as America/Sao_Paulo. UTC when it is left out."},
            "duration": {**DURATION, "description": "Required with pinAt or repeat, without until."},
            "until": {**STRING, "description": 'Keep it pinned by renewals until this time, or until "stopped".'},
        },
    ),
    sent={"messageId": ID, "pinAt": "2026-12-24T18:00:00", "timeZone": "America/Sao_Paulo", "until": "2027-03-01"},
    answer=ANSWER,
    example={"success": True, "message": "Pin scheduled successfully", "schedule": EXAMPLE},
    errors=(
        (400, "messageId is required"),
        (400, "Invalid request body: pinAt must be in the future, and within five years"),
        (400, f"Invalid request body: an instance may have {MOST_WAITING} schedules that wait: cancel one first"),
        (409, f"message with ID {ID} exists in more than one chat: send chatJid"),
        (409, f"message with ID {ID} was deleted for everyone: it cannot be pinned"),
        (500, f"message with ID {ID} not found"),
        (500, 'invalid duration "1h": use "24h", "7d" or "30d"'),
    ),
)

CANCEL = described(
    "Cancel a schedule; what is pinned stays pinned",
    body=shape(scheduleId={**STRING, "minLength": 1}),
    sent={"scheduleId": UID},
    answer=ANSWER,
    example={
        "success": True,
        "message": "Schedule cancelled successfully",
        "schedule": {**EXAMPLE, "state": "cancelled", "next": None, "nextAt": None},
    },
    errors=(
        (400, "scheduleId is required"),
        (404, "Schedule not found"),
        (409, "Schedule is over already: there is nothing left to cancel"),
    ),
)

LIST = described(
    "List schedules: what is planned, and what came of it",
    parameters=[
        parameter("state", "In which state.", schema={"enum": [*Schedule.State.values, "all"], "default": "waiting"}),
        parameter("messageId", "Of one message."),
        LIMIT,
        CURSOR,
    ],
    answer=shape(success=SUCCESS, schedules=several(SHAPE), **PAGED),
    example={"success": True, "schedules": [EXAMPLE], **ENDING},
    errors=(INVALID_PARAMETER,),
)
