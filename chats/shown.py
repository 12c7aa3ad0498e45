"""A message, as the API and the events show it."""

from typing import Any

from chats.models import Message


def shown_message(message: Message) -> dict[str, Any]:
    """A message as the API shows it. The text of a deleted one is for the team's pages alone."""
    return {
        "messageId": message.message_id,
        "chatJid": message.chat.jid,
        "senderJid": message.sender,
        "senderName": message.sender_name,
        "fromMe": message.from_me,
        "timestamp": message.sent_at,
        "type": message.kind,
        "text": "" if message.deleted_at is not None else message.text,
        "status": Message.Status(message.status).name.lower() if message.status else None,
        "quotedId": message.quoted_id or None,
        "editedAt": message.edited_at,
        "deletedAt": message.deleted_at,
    }
