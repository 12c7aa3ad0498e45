"""The endpoints that send, described for OpenAPI."""

from chats.api.described.common import AT, DURATION, ID, JID, SUCCESS, TAKEN_AS_NUMBER
from chats.harmless import LONGEST_TEXT
from portal.rest.openapi import FLAG, MAYBE, STRING, TIME, described, shape

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
        (409, f"message with ID {ID} stands in a status, a channel or a broadcast list: it cannot be pinned"),
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
