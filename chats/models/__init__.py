"""Chats, the people in them, their messages and pins."""

from chats.models.chat import Chat, Contact
from chats.models.message import Message
from chats.models.pin import Pin, PinEvent
from chats.models.schedule import Schedule

__all__ = ["Chat", "Contact", "Message", "Pin", "PinEvent", "Schedule"]
