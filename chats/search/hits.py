"""The messages behind keys, with their chats. A page spends more time on these than on finding them.

Which is why their SQL is made once a process, and only that is read which a
list of hits shows. The rest is read when it is asked for, as of any deferred
field.
"""

from collections.abc import Collection, Sequence

from chats.models import Chat, Message
from chats.search.keys import pk_of
from portal.prepared import Integers, IsOneOf, Prepared, made_of

_NOT_SHOWN = {
    Message: ("stored_at", "target_id", "data", "wire_chat", "wire_sender"),
    Chat: ("announce", "locked", "last_message_at", "read_at", "created_at"),
}
_OF_MESSAGE, _OF_CHAT = (
    tuple(field.attname for field in model._meta.concrete_fields if field.attname not in left_out)
    for model, left_out in _NOT_SHOWN.items()
)
_ROWS = Prepared(
    lambda pks: Message.objects.filter(IsOneOf("pk", pks), deleted_at=None).values_list(
        *_OF_MESSAGE, *(f"chat__{name}" for name in _OF_CHAT)
    ),
    pks=Integers(),
)


def messages(scope: Collection[int], keys: Sequence[int]) -> list[Message]:
    """What is there of the messages with these keys, in their order; nothing out of scope, nothing deleted."""
    found: dict[int, Message] = {}
    chats: dict[int, Chat] = {}
    for row in _ROWS.rows(pks=map(pk_of, keys)):
        message = made_of(Message, _OF_MESSAGE, row)
        chat = chats.get(message.chat_id)
        if chat is None:
            chat = chats[message.chat_id] = made_of(Chat, _OF_CHAT, row[len(_OF_MESSAGE) :])
        # What assigning it does, without asking whether it may be assigned.
        message._state.fields_cache["chat"] = chat
        found[message.pk] = message
    rows = (found.get(pk_of(key)) for key in keys)
    return [message for message in rows if message is not None and message.instance_id in scope]
