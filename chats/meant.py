"""Which message an id means: whoever writes a message chooses its id, and may choose one that is there already."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from chats.models import Message


def by_name(messages: Iterable[Message]) -> Mapping[tuple[int, str], list[Message]]:
    """Messages by the key of their chat and their id; of what nobody wrote, none."""
    found: dict[tuple[int, str], list[Message]] = defaultdict(list)
    for message in messages:
        found[(message.chat_id, message.message_id)].append(message)
    return found


def the_first(messages: Iterable[Message]) -> Message | None:
    """Of messages with one id the first, by the time of WhatsApp's server: a copier comes later."""
    return min(messages, key=lambda message: (message.sent_at, message.pk), default=None)


def meant_by(action: Message, messages: list[Message]) -> Message | None:
    """Of the messages in a chat that have the id an action names, the one it is about.

    Ids are unique only together with their author, whom an action names where
    several may be meant; if it does not, or by a name nobody knows, the first.
    """
    author = action.sender if action.data.get("same_author") else action.data.get("author")
    if author:
        named = [message for message in messages if author in (message.sender, message.wire_sender)]
    else:
        # Of the two in a direct chat, the other one.
        named = [message for message in messages if message.sender != action.sender]
    return the_first(named or messages)
