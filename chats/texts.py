"""Sending texts: the rules, for the API and whoever else comes to need them."""

import logging
from datetime import datetime

from django.conf import settings
from django.db import Error, connection
from django.utils import timezone

from chats.errors import MessageNotFound, NoChat
from chats.models import Chat, Message
from chats.numbers import find_chat, jid_of
from chats.pins import find_message
from instances.models import Instance
from instances.whatsapp import service
from instances.whatsapp.commands import TextOrder
from instances.whatsapp.errors import NotConfirmed
from instances.whatsapp.service import Sent

log = logging.getLogger(__name__)

# Phones show a few lines of what is quoted, and look the rest up themselves.
QUOTED_TEXT = 1_000
TO_PEOPLE = ("s.whatsapp.net", "lid", "g.us")


def send(instance: Instance, number: str, text: str, quoted_id: str = "") -> Message:
    """Send a text to a person or a group, and return the stored message once WhatsApp acknowledged it.

    `quoted_id` names a stored message of the same chat. Raises InvalidNumber,
    NoChat, MessageNotFound, or as `service.send_text`.
    """
    jid = jid_of(number)
    if jid.rpartition("@")[2] not in TO_PEOPLE:
        raise NoChat
    chat = find_chat(instance, jid)
    quoted = _quoted(instance, chat, quoted_id) if quoted_id else None
    # The name under which the phones have the chat: the newest message bears it.
    wire = Message.objects.filter(chat=chat).order_by("-sent_at", "-pk").values_list("wire_chat", flat=True).first()
    order = TextOrder(
        chat=quoted.wire_chat if quoted is not None else wire or jid,
        known=wire is not None,
        text=text,
        quoted_id=quoted_id,
        quoted_sender=quoted.wire_sender if quoted is not None else "",
        quoted_text=quoted.text[:QUOTED_TEXT] if quoted is not None else "",
        deadline=(timezone.now() + settings.ACK_TIMEOUT).timestamp(),
        epoch=instance.epoch,
    )
    # The wait for WhatsApp may be long; a connection of the pool is not held meanwhile.
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    sent = service.send_text(instance, order)
    stored = Message.objects.select_related("chat").filter(instance=instance, message_id=sent.message_id, from_me=True)
    try:
        return stored.latest("pk")
    except Error as error:
        # Whoever heard that the database is away would send it again.
        log.exception("a text was sent, and cannot be read again")
        if sent.at is None:
            raise NotConfirmed from error
        return _as_told(sent, sent.at, order, chat or Chat(instance=instance, jid=sent.chat))


def _as_told(sent: Sent, at: datetime, order: TextOrder, chat: Chat) -> Message:
    """What is stored, as far as the connector and the order say."""
    return Message(
        instance=chat.instance,
        chat=chat,
        message_id=sent.message_id,
        from_me=True,
        sent_at=at,
        text=order.text,
        quoted_id=order.quoted_id,
    )


def _quoted(instance: Instance, chat: Chat | None, message_id: str) -> Message:
    if chat is None:
        raise MessageNotFound(message_id)
    message = find_message(instance, message_id, chat.jid)
    if message.deleted_at is not None:
        raise MessageNotFound(message_id)
    return message
