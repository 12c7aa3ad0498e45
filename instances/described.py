"""The endpoints of instances, described for OpenAPI."""

from instances.models import NAME_PATTERN
from portal.rest.openapi import (
    INVALID_PARAMETER,
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
}
UNREACHABLE = (
    (503, "WhatsApp client is not connected"),
    (504, "WhatsApp did not confirm in time"),
    (502, "WhatsApp did not answer. Try again."),
)

NEW = described(
    "Make an instance, with a token that is shown this once",
    instance=False,
    body=shape(
        name={**STRING, "minLength": 1, "maxLength": 64, "description": f"As {NAME_PATTERN}"},
        optional={"token": {**STRING, "minLength": 32, "maxLength": 128, "description": "A secret of your own."}},
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
        state=STRING,
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
        INVALID_PARAMETER,
        (409, "A phone is linked already. Log out first to link another one."),
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
    errors=((409, "This token was rotated already: rotate its successor"),),
)
