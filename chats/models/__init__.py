"""Chats, the people in them, their messages and pins."""

from chats.models.chat import Chat, Contact
from chats.models.errand import Batch, BatchItem, Errand
from chats.models.message import Message
from chats.models.pin import Pin, PinEvent
from chats.models.rule import Rule, RuleHit
from chats.models.schedule import LostSchedule, Schedule

__all__ = [
    "Batch",
    "BatchItem",
    "Chat",
    "Contact",
    "Errand",
    "LostSchedule",
    "Message",
    "Pin",
    "PinEvent",
    "Rule",
    "RuleHit",
    "Schedule",
]
