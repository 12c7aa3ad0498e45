"""What an event of each kind tells, by an example: its fields stand in the OpenAPI document.

`tests/test_event_examples.py` holds each against what is really told.
"""

from types import MappingProxyType
from typing import Any

from instances.events.kinds import BATCH, GROUP, MESSAGE, PIN, RULE, SCHEDULE, STATE, STATUS, TEST

_AT = "2026-02-16T18:32:39Z"
_CHAT = "5511999999999@s.whatsapp.net"
_GROUP = "120363406289005073@g.us"
_MESSAGE = "3EB0A1B2C3D4E5F60718"
_OURS = "0b6f1f0e-6f0c-4b57-9a43-6a2b3d1e9c77"

DATA: MappingProxyType[str, dict[str, Any]] = MappingProxyType(
    {
        MESSAGE: {
            "messageId": _MESSAGE,
            "chatJid": _CHAT,
            "senderJid": _CHAT,
            "senderName": "Bob",
            "fromMe": False,
            "timestamp": _AT,
            "type": "text",
            "text": "The parcel stands behind the shed.",
            "status": None,
            "quotedId": None,
            "editedAt": None,
            "deletedAt": None,
            "targetId": None,
        },
        STATUS: {"chatJid": _CHAT, "messageIds": [_MESSAGE], "status": "read", "by": _CHAT, "at": _AT},
        PIN: {
            "change": "acknowledged",
            "state": "pinned",
            "chatJid": _CHAT,
            "messageId": _MESSAGE,
            "fromMe": False,
            "pinning": True,
            "duration": 604_800,
            "pinnedAt": _AT,
            "expiresAt": "2026-02-23T18:32:39Z",
            "by": "token 'CRM'",
            "detail": "",
            "at": _AT,
        },
        BATCH: {
            "change": "finished",
            "batchId": _OURS,
            "action": "pin",
            "duration": 604_800,
            "state": "done",
            "why": "",
            "counts": {"total": 13, "waiting": 0, "done": 12, "skipped": 0, "failed": 1, "unknown": 0},
            "by": "token 'CRM'",
            "at": _AT,
        },
        RULE: {
            "change": "pinned",
            "ruleId": _OURS,
            "name": "Addresses",
            "trigger": "message",
            "active": True,
            "chatJid": _CHAT,
            "messageId": _MESSAGE,
            "detail": "",
            "by": "rule 'Addresses'",
            "at": _AT,
        },
        SCHEDULE: {
            "change": "done",
            "scheduleId": _OURS,
            "chatJid": _CHAT,
            "messageId": _MESSAGE,
            "fromMe": False,
            "step": "pin",
            "state": "waiting",
            "next": "unpin",
            "nextAt": "2026-02-17T18:32:39Z",
            "by": "token 'CRM'",
            "detail": "",
            "at": _AT,
        },
        STATE: {
            "state": "connected",
            "sentence": "Connected to WhatsApp.",
            "detail": "",
            "numberJid": _CHAT,
            "at": _AT,
        },
        GROUP: {
            "chatJid": _GROUP,
            "name": "Drivers",
            "by": _CHAT,
            "text": "Bob added Carla",
            "at": _AT,
            "change": {"added": [_CHAT]},
        },
        TEST: {"message": "It works."},
    }
)
