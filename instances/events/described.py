"""The endpoints of webhooks, described for OpenAPI."""

from typing import Any

from instances.events.examples import DATA
from instances.events.kinds import KINDS
from instances.events.kinds import TEST as TEST_EVENT
from instances.events.models import Delivery
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
    several,
    shape,
)

SUCCESS = {"const": True}
ID = "0b6f1f0e-6f0c-4b57-9a43-6a2b3d1e9c77"
AT = "2026-02-16T18:32:39Z"
URL = "https://crm.example.com/whatsapp"
CHOSEN = {**several({"enum": list(KINDS)}), "minItems": 1}
WEBHOOK = shape(
    id=STRING,
    url=STRING,
    events=several(STRING),
    active=FLAG,
    failures={**NUMBER, "description": "Attempts that failed since the last that did not."},
    restingUntil={**MAYBE_TIME, "description": "Until then the portal leaves the address alone."},
    waiting=NUMBER,
    givenUp=NUMBER,
    createdAt=TIME,
    optional={"secret": MAYBE, "oldSecretUntil": MAYBE_TIME},
)
EXAMPLE = {
    "id": ID,
    "url": URL,
    "events": ["message.pin", "instance.state"],
    "active": True,
    "failures": 0,
    "restingUntil": None,
    "waiting": 0,
    "givenUp": 0,
    "createdAt": AT,
}
DELIVERY = shape(
    id=STRING,
    webhookId=STRING,
    eventId=STRING,
    event=STRING,
    at=TIME,
    state={"enum": Delivery.State.values},
    nextAttemptAt=MAYBE_TIME,
    settledAt=MAYBE_TIME,
    attempts=several(
        shape(at=TIME, status={"type": ["integer", "null"]}, milliseconds=NUMBER, error=STRING, answer=STRING)
    ),
)
DELIVERED = {
    "id": "4711",
    "webhookId": ID,
    "eventId": "8f14e45f-ceea-567f-a6d3-3b1c7d3a9f10",
    "event": "message.pin",
    "at": AT,
    "state": "delivered",
    "nextAttemptAt": None,
    "settledAt": AT,
    "attempts": [{"at": AT, "status": 200, "milliseconds": 41, "error": "", "answer": "ok"}],
}
NAMED = {**STRING, "description": "The webhook's id."}
MISSING = ((400, "id is required"), (404, "Webhook not found"))
INVALID = (
    400,
    "Invalid request body: The address must begin with https:// or http:// and name a host.",
)

ADD = described(
    "Add a webhook; its secret is shown this once",
    body=shape(url={**STRING, "minLength": 1, "maxLength": 2000}, events=CHOSEN),
    sent={"url": URL, "events": ["message.pin", "instance.state"]},
    answer=shape(success=SUCCESS, message=STRING, webhook=WEBHOOK),
    example={"success": True, "message": "Webhook added successfully", "webhook": {**EXAMPLE, "secret": "whsec_…"}},
    errors=(
        (400, "url is required"),
        INVALID,
        (409, "This instance has all the webhooks it may have. Delete one first."),
    ),
)

LIST = described(
    "List webhooks, and how each does",
    answer=shape(success=SUCCESS, webhooks=several(WEBHOOK), count=NUMBER),
    example={"success": True, "webhooks": [EXAMPLE], "count": 1},
)

CHANGE = described(
    "Change a webhook's address or events, pause it, or let it go on",
    body=shape(id=NAMED, optional={"url": STRING, "events": CHOSEN, "active": FLAG}),
    sent={"id": ID, "active": False},
    answer=shape(success=SUCCESS, message=STRING, webhook=WEBHOOK),
    example={"success": True, "message": "Webhook changed successfully", "webhook": {**EXAMPLE, "active": False}},
    errors=(*MISSING, INVALID),
)

DELETE = described(
    "Delete a webhook, with its log and what is under way to it",
    parameters=[parameter("id", "The webhook's id.", required=True)],
    answer=shape(success=SUCCESS, message=STRING, id=STRING),
    example={"success": True, "message": "Webhook deleted successfully", "id": ID},
    errors=(*MISSING, (400, "Invalid parameter: id must not contain a NUL character (%00)")),
)

ROTATE = described(
    "Make a new secret, shown this once; the one before signs too for 24 hours",
    body=shape(id=NAMED),
    sent={"id": ID},
    answer=shape(success=SUCCESS, message=STRING, webhook=WEBHOOK),
    example={
        "success": True,
        "message": "Webhook secret rotated successfully",
        "webhook": {**EXAMPLE, "secret": "whsec_…", "oldSecretUntil": AT},
    },
    errors=MISSING,
)

TEST = described(
    "Send a test event, and wait for what comes of it",
    body=shape(id=NAMED),
    sent={"id": ID},
    answer=shape(success=SUCCESS, message=STRING, delivery=DELIVERY),
    example={
        "success": True,
        "message": "Test event sent",
        "delivery": {**DELIVERED, "event": "webhook.test"},
    },
    errors=(
        *MISSING,
        (409, "This webhook is paused: nothing is sent to it. Let it go on first."),
        (503, "Too many webhooks are being tested at the moment: try again in a minute"),
        (504, "The test event was not sent yet: no worker is running, or it has much to do"),
    ),
)

DELIVERIES = described(
    "The log of deliveries, newest first; with state=dead, what was given up",
    parameters=[
        parameter("id", "One webhook."),
        parameter("state", "In which state.", schema={"enum": ["all", *Delivery.State.values], "default": "all"}),
        LIMIT,
        CURSOR,
    ],
    answer=shape(success=SUCCESS, deliveries=several(DELIVERY), count=NUMBER, hasMore=FLAG, next=MAYBE),
    example={"success": True, "deliveries": [DELIVERED], "count": 1, "hasMore": False, "next": None},
    errors=(INVALID_PARAMETER, (404, "Webhook not found")),
)

RESEND = described(
    "Send one delivery again, or all that were given up",
    body=shape(id=NAMED, optional={"delivery": {**STRING, "description": "Left out: all that were given up."}}),
    sent={"id": ID},
    answer=shape(success=SUCCESS, message=STRING, count=NUMBER),
    example={"success": True, "message": "On their way again", "count": 3},
    errors=(*MISSING, (404, "Delivery not found")),
)


def _sent(kind: str) -> dict[str, Any]:
    """What a receiver gets for this kind of event: docs/events.md says what the fields of its data mean."""
    data = shape(**{name: {} for name in DATA[kind]})
    body = shape(id=STRING, event={"const": kind}, instance=STRING, timestamp=TIME, data=data)
    example = {"id": DELIVERED["eventId"], "event": kind, "instance": "shop", "timestamp": AT, "data": DATA[kind]}
    headers = ("webhook-id", "webhook-timestamp", "webhook-signature")
    return {
        "post": {
            "summary": f"The event {kind}, signed",
            "parameters": [{"name": name, "in": "header", "required": True, "schema": STRING} for name in headers],
            "requestBody": {"required": True, "content": {"application/json": {"schema": body, "example": example}}},
            "responses": {"2XX": {"description": "Taken. Anything else is tried again for a day."}},
        }
    }


SENT = {kind: _sent(kind) for kind in (*KINDS, TEST_EVENT)}
