"""The endpoints of rules, described for OpenAPI."""

from typing import Any

from chats.api.described.common import AT, DURATION, ENDING, ID, JID, PAGED, SAID, SUCCESS
from chats.models import Rule, RuleHit
from portal.rest.openapi import (
    CURSOR,
    FLAG,
    INVALID_PARAMETER,
    LIMIT,
    MAYBE,
    MAYBE_TIME,
    NUMBER,
    STRING,
    TIME,
    described,
    parameter,
    ref,
    several,
    shape,
)

UID = "0b8e5f5e-6f1c-4a53-9d0e-0d4c5c8f7a12"
SHAPE = shape(
    id=STRING,
    name=STRING,
    active=FLAG,
    since=MAYBE_TIME,
    trigger={"enum": Rule.Trigger.values},
    words=MAYBE,
    people=several(STRING),
    chatJid=MAYBE,
    duration=DURATION,
    anHour=NUMBER,
    by=STRING,
    createdAt=TIME,
)
EXAMPLE = {
    "id": UID,
    "name": "Addresses",
    "active": False,
    "since": None,
    "trigger": "message",
    "words": "address",
    "people": [JID],
    "chatJid": "120363406289005073@g.us",
    "duration": "7d",
    "anHour": 10,
    "by": "token 'CRM'",
    "createdAt": AT,
}
WISH: dict[str, Any] = {
    "words": {**STRING, "description": "Words in this order, a hashtag, or an emoji."},
    "people": {**several(STRING), "description": 'Numbers or JIDs of who writes or reacts; "me": the account itself.'},
    "chat": {**STRING, "description": "Only in this chat: a number or a JID."},
    "anHour": {**NUMBER, "minimum": 1, "maximum": 100, "default": 10},
}
MUST: dict[str, Any] = {
    "name": {**STRING, "minLength": 1, "maxLength": 60},
    "trigger": {"enum": Rule.Trigger.values},
    "duration": DURATION,
}
SENT = {"name": "Addresses", "trigger": "message", "words": "address", "people": [JID], "duration": "7d"}
ANSWER = shape(success=SUCCESS, message=STRING, rule=SHAPE)
INVALID = (
    (400, "Invalid request body: a reaction needs people: who may pin by it"),
    (500, 'invalid duration "1h": use "24h", "7d" or "30d"'),
)
NOT_FOUND = (404, "Rule not found")

ADD = described(
    "Add a rule: which messages are pinned by themselves. It is switched off at first",
    body=shape(**MUST, optional=WISH),
    sent=SENT,
    answer=ANSWER,
    example={"success": True, "message": "Rule added successfully", "rule": EXAMPLE},
    errors=INVALID,
)

PREVIEW = described(
    "What a rule would have pinned of the last 30 days; a rule that is there, or one that is not yet",
    keeps=False,
    body=shape(optional={"ruleId": {**STRING, "description": "Beside it nothing else is looked at."}, **MUST, **WISH}),
    sent={"ruleId": UID},
    answer=shape(success=SUCCESS, found=NUMBER, lookedAt=NUMBER, busiestHour=NUMBER, messages=several(ref("Message"))),
    example={"success": True, "found": 1, "lookedAt": 812, "busiestHour": 1, "messages": [SAID]},
    errors=(*INVALID, NOT_FOUND),
)

SWITCH = described(
    "Switch a rule on, for what comes from now on, or off",
    body=shape(ruleId={**STRING, "minLength": 1}, active=FLAG),
    sent={"ruleId": UID, "active": True},
    answer=ANSWER,
    example={
        "success": True,
        "message": "Rule switched on successfully",
        "rule": {**EXAMPLE, "active": True, "since": AT},
    },
    errors=((400, "ruleId is required"), NOT_FOUND),
)

DELETE = described(
    "Delete a rule and the list of what it found; the pins stay",
    parameters=[parameter("id", "The rule's id.", required=True)],
    answer=shape(success=SUCCESS, message=STRING, id=STRING),
    example={"success": True, "message": "Rule deleted successfully", "id": UID},
    errors=((400, "id is required"), INVALID_PARAMETER, NOT_FOUND),
)

RULES = described(
    "List rules",
    answer=shape(success=SUCCESS, rules=several(SHAPE), count=NUMBER),
    example={"success": True, "rules": [EXAMPLE], "count": 1},
)

HITS = described(
    "What a rule found, and what came of each",
    parameters=[parameter("id", "The rule's id.", required=True), LIMIT, CURSOR],
    answer=shape(
        success=SUCCESS,
        hits=several(
            shape(
                messageId=STRING,
                chatJid=STRING,
                state={"enum": RuleHit.State.values},
                detail=MAYBE,
                foundAt=TIME,
                at=MAYBE_TIME,
            )
        ),
        **PAGED,
    ),
    example={
        "success": True,
        "hits": [{"messageId": ID, "chatJid": JID, "state": "done", "detail": None, "foundAt": AT, "at": AT}],
        **ENDING,
    },
    errors=((400, "id is required"), INVALID_PARAMETER, NOT_FOUND),
)
