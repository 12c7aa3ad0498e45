"""Telling live pages what has changed, after it is in the database.

News carry keys alone, no text: whoever may see a message reads it from the
database, and nobody else learns anything by listening.
"""

from django.db import transaction

from chats.models import Message
from instances.whatsapp import service

PINS = "pins"
MESSAGES = "messages"


def pin_changed(message: Message) -> None:
    """A pin's state or attempt has changed; told once the transaction is through."""
    uid, payload = message.instance.uid, {"message": message.pk, "chat": message.chat_id}
    transaction.on_commit(lambda: service.publish(uid, PINS, payload))
