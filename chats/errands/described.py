"""The endpoints of many pins together, described for OpenAPI."""

from chats.api.described.common import AT, DURATION, ENDING, ID, JID, MAYBE_DURATION, PAGED, SUCCESS
from chats.models import Batch, BatchItem
from portal.rest.openapi import (
    CURSOR,
    INVALID_PARAMETER,
    LIMIT,
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

UID = "0b8e5f5e-6f1c-4a53-9d0e-0d4c5c8f7a11"
SHAPE = shape(
    id=STRING,
    state={"enum": Batch.State.values},
    why={**MAYBE, "description": "Why it stopped by itself."},
    action={"enum": Batch.Action.values},
    duration=MAYBE_DURATION,
    by=STRING,
    createdAt=TIME,
    endedAt=MAYBE_TIME,
    counts=shape(total=NUMBER, **dict.fromkeys(BatchItem.State.values, NUMBER)),
)
EXAMPLE = {
    "id": UID,
    "state": "running",
    "why": None,
    "action": "pin",
    "duration": "7d",
    "by": "token 'CRM'",
    "createdAt": AT,
    "endedAt": None,
    "counts": {"total": 3, "waiting": 1, "done": 1, "skipped": 0, "failed": 1, "unknown": 0},
}
ITEM = shape(messageId=STRING, chatJid=MAYBE, state={"enum": BatchItem.State.values}, detail=MAYBE, at=MAYBE_TIME)
ANSWER = shape(success=SUCCESS, message=STRING, batch=SHAPE)
NAMED = shape(batchId={**STRING, "minLength": 1})
MISSING = (
    (400, "batchId is required"),
    (404, "Batch not found"),
    (409, "Batch is over already: there is nothing left to stop or to resume"),
)

PIN_MANY = described(
    "Pin, renew or unpin many messages, one after the other at a gentle pace",
    body=shape(
        action={"enum": Batch.Action.values, "description": "Renew and unpin leave alone what is not pinned."},
        messageIds={**several(STRING), "minItems": 1, "maxItems": 1000, "description": "Blank ones are left out."},
        optional={
            "duration": {**DURATION, "description": "Required to pin and to renew."},
            "chatJid": {**STRING, "description": "All of them stand in this chat."},
        },
    ),
    sent={"action": "pin", "messageIds": [ID], "duration": "7d"},
    answer=ANSWER,
    example={"success": True, "message": "Batch started successfully", "batch": EXAMPLE},
    errors=(
        (400, "messageIds is required"),
        (400, "Invalid request body: action must be one of pin, renew, unpin"),
        (500, 'invalid duration "1h": use "24h", "7d" or "30d"'),
    ),
)

STOP = described(
    "Stop a batch: nothing more of it is sent until it is resumed",
    body=NAMED,
    sent={"batchId": UID},
    answer=ANSWER,
    example={"success": True, "message": "Batch stopped successfully", "batch": {**EXAMPLE, "state": "stopped"}},
    errors=MISSING,
)

RESUME = described(
    "Resume a batch that was stopped, or stopped by itself",
    body=NAMED,
    sent={"batchId": UID},
    answer=ANSWER,
    example={"success": True, "message": "Batch resumed successfully", "batch": EXAMPLE},
    errors=MISSING,
)

BATCHES = described(
    "List batches, and how far each is",
    parameters=[
        parameter("state", "In which state.", schema={"enum": ["all", *Batch.State.values], "default": "all"}),
        LIMIT,
        CURSOR,
    ],
    answer=shape(success=SUCCESS, batches=several(SHAPE), **PAGED),
    example={"success": True, "batches": [EXAMPLE], **ENDING},
    errors=(INVALID_PARAMETER,),
)

BATCH = described(
    "One batch, with what came of each message",
    parameters=[
        parameter("id", "The batch's id.", required=True),
        parameter("state", "Only those.", schema={"enum": ["all", *BatchItem.State.values], "default": "all"}),
        LIMIT,
        CURSOR,
    ],
    answer=shape(success=SUCCESS, batch=SHAPE, items=several(ITEM), **PAGED),
    example={
        "success": True,
        "batch": EXAMPLE,
        "items": [{"messageId": ID, "chatJid": JID, "state": "done", "detail": None, "at": AT}],
        **ENDING,
    },
    errors=((400, "id is required"), INVALID_PARAMETER, (404, "Batch not found")),
)
