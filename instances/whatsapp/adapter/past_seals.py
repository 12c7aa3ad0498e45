"""Messages of the phone's history that are sealed with the secrets of others in it."""

from collections.abc import Callable
from functools import cached_property

from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message
from neonize.proto.waHistorySync.WAWebProtobufsHistorySync_pb2 import Conversation
from neonize.proto.waWeb.WAWebProtobufsWeb_pb2 import WebMessageInfo

from instances.whatsapp import events as ev
from instances.whatsapp.adapter import content, sealed


class Seals:
    """A chat's."""

    def __init__(
        self, chat: Conversation, sender_of: Callable[[WebMessageInfo], ev.Party], other_names: dict[str, str]
    ) -> None:
        self._chat, self._sender_of, self._other_names = chat, sender_of, other_names

    def opened(self, past: WebMessageInfo) -> Message:
        """A message without its envelopes, and opened as `sealed.opened` has it."""
        message = content.unwrapped(past.message)
        if not sealed.is_sealed(message):
            return message

        def find(chat: str, author: tuple[str, ...], message_id: str) -> tuple[list[str], list[bytes]]:
            names, secrets = self._secrets.get(message_id, ([], []))
            # An edit may stand in its message's place, and bring what came with that.
            own_names, own = self._secrets.get(past.key.ID, ([], []))
            return list(dict.fromkeys((*names, *own_names, *author))), secrets + own

        return sealed.opened(message, sealed.Actor(self._chat.ID, tuple(self._names(past))), find)

    @cached_property
    def _secrets(self) -> dict[str, tuple[list[str], list[bytes]]]:
        """Of each message that brings one: its author's names, and the secret."""
        told = (wrapped.message for wrapped in self._chat.messages)
        return {past.key.ID: (self._names(past), [past.messageSecret]) for past in told if past.messageSecret}

    def _names(self, past: WebMessageInfo) -> list[str]:
        sender = self._sender_of(past)
        return list(dict.fromkeys(filter(None, (sender.jid, sender.alt, self._other_names.get(sender.jid, "")))))
