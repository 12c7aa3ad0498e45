"""The endpoints of instances, described for OpenAPI."""

from instances.models import MOST_KEEP_DAYS, NAME_PATTERN
from portal.rest.openapi import (
    FLAG,
    MAYBE,
    MAYBE_TIME,
    NUMBER,
    STATE,
    STRING,
    TIME,
    described,
    parameter,
    ref,
    several,
    shape,
)

SUCCESS = {"const": True}
SHOP = {
    "instanceName": "shop",
    "state": "connected",
    "sentence": "Connected to WhatsApp.",
    "numberJid": "5511999999999@s.whatsapp.net",
    "lid": "123456789012345@lid",
    "profileName": "Ana",
    "linkedAt": "2026-02-16T18:32:39Z",
    "lastSeenAt": "2026-02-16T18:32:39Z",
    "createdAt": "2026-02-16T18:30:00Z",
    "historyPercent": 62,
    "historyAt": "2026-02-16T18:33:05Z",
}
UNREACHABLE = (
    (503, "WhatsApp client is not connected"),
    (504, "WhatsApp did not confirm in time"),
    (502, "WhatsApp did not answer. Try again."),
)

SWITCHES = {
    "rejectCalls": {**FLAG, "description": "Calls are rejected as soon as they come."},
    "ignoreGroups": {**FLAG, "description": "What is written in groups is not stored."},
    "keepOnline": {**FLAG, "description": "Contacts see the number online; the phone then shows fewer notifications."},
    "readMessages": {**FLAG, "description": "What comes in is marked as read at once."},
}
KEEP_DAYS = {
    "type": ["integer", "null"],
    "minimum": 1,
    "maximum": MOST_KEEP_DAYS,
    "description": "Messages older than so many days are deleted, and cannot be brought back; null: kept for ever.",
}
PROXY = shape(url=STRING, hasPassword=FLAG)
PREFERENCES = shape(
    success=SUCCESS,
    message=STRING,
    instanceName=STRING,
    **SWITCHES,
    keepDays=KEEP_DAYS,
    proxy={"oneOf": [PROXY, {"type": "null"}]},
)
AS_SAVED = {
    "success": True,
    "message": "Settings found",
    "instanceName": "shop",
    "rejectCalls": True,
    "ignoreGroups": False,
    "keepOnline": False,
    "readMessages": False,
    "keepDays": 365,
    "proxy": {"url": "socks5://shop@proxy.example.com:1080", "hasPassword": True},
}
PREFERENCES_SENT = {
    **SWITCHES,
    "keepDays": KEEP_DAYS,
    "proxy": {
        **MAYBE,
        "description": "http, https or socks5://user:password@host:port; empty for none. The password is never shown.",
    },
}

NEW = described(
    "Make an instance, with a token that is shown this once",
    instance=False,
    body=shape(
        name={**STRING, "minLength": 1, "maxLength": 64, "description": f"As {NAME_PATTERN}"},
        optional={
            "token": {**STRING, "minLength": 32, "maxLength": 128, "description": "A secret of your own."},
            "settings": shape(optional=PREFERENCES_SENT),
        },
    ),
    sent={"name": "shop"},
    answer=shape(success=SUCCESS, message=STRING, instance=ref("Instance")),
    example={
        "success": True,
        "message": "Instance created successfully",
        "instance": {**SHOP, "state": "unlinked", "numberJid": None, "lid": None, "token": "wap_…"},
    },
    errors=(
        (400, "Instance name is required"),
        (403, "An account token is needed to create instances"),
        (403, "Account instance quota exceeded"),
        (409, "Instance shop exists already"),
        (409, "This token is in use already: choose another one, or leave it out"),
    ),
)

LIST = described(
    "List instances with their states",
    instance=False,
    parameters=[parameter("instanceName", "One name, or several with commas.")],
    answer=shape(success=SUCCESS, message=STRING, instances=several(ref("Instance"))),
    example={"success": True, "message": "1 Instance found", "instances": [SHOP]},
    errors=(
        (400, "Invalid parameter: instanceName must not contain a NUL character (%00)"),
        (404, "Instance not found"),
    ),
)

CONNECT = described(
    "Connect, or get the code that links a phone",
    parameters=[
        parameter("number", "A phone number: answers with a pairing code instead of a QR code."),
        parameter("phone", "The same as number."),
    ],
    answer=shape(
        success=SUCCESS,
        message=STRING,
        status={"enum": ["qr", "pairing", "linked"]},
        state=STATE,
        sentence=STRING,
        optional={"qrCode": STRING, "qrCodeBase64": STRING, "pairingCode": STRING},
    ),
    example={
        "success": True,
        "message": "QR code generated",
        "status": "qr",
        "state": "linking",
        "sentence": "Waiting for the phone to scan the QR code or to accept the pairing code.",
        "qrCode": "2@…",
        "qrCodeBase64": "data:image/png;base64,…",
    },
    errors=(
        (
            400,
            "Invalid parameter: number must be a phone number with its country code, for example 5511999999999",
        ),
        (409, "A phone is linked already. Log out first to link another one."),
        (502, "WhatsApp gave no code (failed to dial). Check this machine's internet connection and try again."),
        (502, "WhatsApp gave no pairing code: info query returned status 400: bad-request"),
        (502, "There is no connection to WhatsApp at the moment. Try again."),
        *UNREACHABLE,
    ),
)

LOGOUT = described(
    "Unlink the phone and delete the keys; messages stay",
    answer=shape(success=SUCCESS, message=STRING, instanceName=STRING),
    example={"success": True, "message": "Instance logged out successfully", "instanceName": "shop"},
    errors=UNREACHABLE,
)

DELETE = described(
    "Unlink the phone and delete the instance with all that is stored of it",
    answer=shape(success=SUCCESS, message=STRING, instanceName=STRING),
    example={"success": True, "message": "Instance deleted successfully", "instanceName": "shop"},
    errors=UNREACHABLE,
)

SETTINGS = described(
    "What an instance does by itself",
    parameters=[
        parameter(
            "keepDays",
            "Answers with `wouldDelete` as well: how many messages that are there now such a limit would delete, "
            "100001 for more than 100,000.",
            schema={**NUMBER, "minimum": 1, "maximum": MOST_KEEP_DAYS},
        )
    ],
    answer={"allOf": [PREFERENCES, shape(optional={"wouldDelete": {**NUMBER, "minimum": 0}})]},
    example=AS_SAVED,
    errors=((400, f"Invalid parameter: keepDays must be a whole number from 1 to {MOST_KEEP_DAYS}"),),
)
CHANGE_SETTINGS = described(
    "Change what an instance does by itself; applied at once, without a new code",
    body=shape(optional=PREFERENCES_SENT),
    sent={"rejectCalls": True, "keepDays": 365, "proxy": "socks5://shop:secret@proxy.example.com:1080"},
    answer={"allOf": [PREFERENCES, shape(applied=FLAG)]},
    example={**AS_SAVED, "message": "Settings saved successfully", "applied": True},
    errors=(
        (400, "Invalid request body: rejectCalls must be true or false, not a string"),
        (400, f"Invalid request body: keepDays must be a whole number from 1 to {MOST_KEEP_DAYS}"),
        (
            400,
            "Invalid request body: proxy: The proxy's host 10.0.0.1 is in a private network: "
            "the portal's host may allow that.",
        ),
    ),
)

ROTATE = described(
    "Make a successor of this token; the old one is good for some hours more",
    instance=False,
    every_scope=True,
    body=shape(optional={"overlapHours": {**NUMBER, "minimum": 1, "maximum": 168, "default": 24}}),
    sent={"overlapHours": 24},
    answer=shape(
        success=SUCCESS, message=STRING, token=MAYBE, scope=STRING, expiresAt=MAYBE_TIME, oldTokenExpiresAt=TIME
    ),
    example={
        "success": True,
        "message": "Token rotated successfully",
        "token": "wap_…",
        "scope": "full",
        "expiresAt": None,
        "oldTokenExpiresAt": "2026-02-17T18:32:39Z",
    },
    errors=(
        (409, "This token was rotated already: rotate its successor"),
        (409, "The token that this one replaced is good until 2026-02-17T18:32:39Z: rotate this one after that"),
    ),
)
