"""Edits whose seal could not be opened when they came.

The secret may come later: with the history, which the library takes in beside
everything else, or when the message itself is decrypted at the second attempt.
"""

import threading
from collections.abc import Callable

from neonize.proto import Neonize_pb2 as pb

from instances.whatsapp.events import MessageArrived

# A contact can send as many as they like.
MOST = 100


class Shut:
    """One client's. Any thread may call."""

    def __init__(self, read: Callable[[pb.Message], MessageArrived | None]) -> None:
        self._read = read
        self._events: dict[str, pb.Message] = {}
        self._lock = threading.Lock()

    def keep(self, event: pb.Message) -> bool:
        """Keep one for `again`. False: there are too many, or it is here."""
        with self._lock:
            if len(self._events) >= MOST or event.Info.ID in self._events:
                return False
            self._events[event.Info.ID] = event
            return True

    def again(self, message_id: str) -> MessageArrived | None:
        """The edit, if it can be opened now."""
        event = self._events.get(message_id)
        found = self._read(event) if event is not None else None
        if found is None or found.data.get("unread"):
            return None
        self.forget(message_id)
        return found

    def forget(self, message_id: str) -> None:
        """It is not asked for again."""
        with self._lock:
            self._events.pop(message_id, None)
