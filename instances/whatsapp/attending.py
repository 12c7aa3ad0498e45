"""What an instance does by itself while it is connected: show itself online, and mark as read what comes in."""

import time
from collections import defaultdict, deque
from concurrent.futures import Executor

from chats.models import Message
from instances.models import Instance
from instances.whatsapp.adapter import Client
from instances.whatsapp.events import MessageArrived

# WhatsApp takes no presence from who has no name, and a device just linked hears its name later.
PRESENCE_RETRY_SECONDS = 10.0
# One receipt names that many messages at most.
BATCH = 100
# The status and channels: whoever is there sees who has viewed what, and nobody here has. Broadcast lists likewise.
SEEN_BY_MANY = ("@broadcast", "@newsletter")


class Attending:
    """One instance's; `arrived` may be called from any thread, all else from the connector's loop."""

    def __init__(self, instance: Instance, pool: Executor) -> None:
        self._instance = instance
        self._pool = pool
        # None: this connection has said neither. WhatsApp takes that for "not online".
        self._online: bool | None = None
        self._try_at = 0.0
        # Chat, sender and id.
        self._unread: deque[tuple[str, str, str]] = deque(maxlen=10_000)
        self._busy = False

    def connected(self) -> None:
        """A new connection: what the earlier one said of us is over."""
        self._online, self._try_at = None, 0.0

    def arrived(self, message: MessageArrived) -> None:
        """Somebody else wrote: to be marked as read, if that is wanted."""
        if not self._instance.read_automatically or message.from_me or message.kind in Message.ACTIONS:
            return
        if not message.chat.jid.endswith(SEEN_BY_MANY):
            self._unread.append((message.chat.jid, message.sender.jid, message.message_id))

    @property
    def due(self) -> bool:
        """Whether `tick` would begin something."""
        return not self._busy and (bool(self._unread) or self._presence_due())

    def tick(self, client: Client) -> None:
        """Begin what is due, on a thread; the library waits for WhatsApp there."""
        if not self.due:
            return
        self._busy = True
        self._pool.submit(self._attend, client)

    def _presence_due(self) -> bool:
        return self._instance.keep_online != bool(self._online) and time.monotonic() >= self._try_at

    def _attend(self, client: Client) -> None:
        try:
            if self._presence_due():
                wanted = self._instance.keep_online
                if client.be_online(wanted):
                    self._online = wanted
                else:
                    self._try_at = time.monotonic() + PRESENCE_RETRY_SECONDS
            self._read(client)
        finally:
            self._busy = False

    def _read(self, client: Client) -> None:
        # A receipt is for one sender in one chat.
        unread: dict[tuple[str, str], list[str]] = defaultdict(list)
        while self._unread:
            chat, sender, message_id = self._unread.popleft()
            unread[chat, sender].append(message_id)
        for (chat, sender), ids in unread.items():
            for start in range(0, len(ids), BATCH):
                client.mark_read(chat, sender, ids[start : start + BATCH])
