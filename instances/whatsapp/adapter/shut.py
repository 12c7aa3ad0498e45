"""Edits whose seal could not be opened when they came.

The secret may come later: with the history, which the library takes in beside
everything else, or when the message itself is decrypted at the second attempt,
for which another client may have been started.
"""

import threading

from neonize.proto import Neonize_pb2 as pb

from instances.whatsapp.adapter import messages, sealed
from instances.whatsapp.events import MessageArrived

# A contact can send as many and as large ones as they like.
MOST, MOST_BYTES = 100, 256 * 1024


class Shut:
    """One instance's, whatever its client. Any thread may call."""

    def __init__(self, secrets: sealed.Find) -> None:
        """`secrets`: those that came with messages, which the library keeps with the keys."""
        self._secrets = secrets
        self._events: dict[str, pb.Message] = {}
        self._lock = threading.Lock()

    def read(self, event: pb.Message) -> MessageArrived | None:
        """A message that has come in, as `messages.read` has it."""
        return messages.read(event, self._secrets)

    def keep(self, event: pb.Message) -> bool:
        """Keep one for `again`. False: it is too large, there are too many, or it is here."""
        if event.Message.ByteSize() > MOST_BYTES:
            return False
        with self._lock:
            if len(self._events) >= MOST or event.Info.ID in self._events:
                return False
            # Without "Raw", which is the same once more.
            self._events[event.Info.ID] = kept = pb.Message()
            kept.Info.CopyFrom(event.Info)
            kept.Message.CopyFrom(event.Message)
            return True

    def again(self, message_id: str, *, last: bool = False) -> MessageArrived | None:
        """The edit, if it can be opened now. `last`: it is not asked for again."""
        event = self._events.get(message_id)
        found = self.read(event) if event is not None else None
        opened = found is not None and not found.data.get("unread")
        if opened or last:
            with self._lock:
                self._events.pop(message_id, None)
        return found if opened else None

    def clear(self) -> None:
        """Another phone will be linked: nothing of this one's is opened any more."""
        with self._lock:
            self._events.clear()
