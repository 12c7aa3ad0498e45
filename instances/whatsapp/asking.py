"""Which messages are asked for once more, how often, and what is shown of those that are not.

A message that comes again cannot be decrypted again (docs/wire.md): its sender
must send it anew. What is sent anew can be lost as well, since senders'
libraries may use a key twice.
"""

import logging
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable

from django.utils import timezone

from chats.models import Message
from instances.models import Instance
from instances.whatsapp.events import Lost, MessageArrived, Party, without_device

log = logging.getLogger(__name__)

# Several messages that were cut off come again at once.
GATHER_SECONDS = 0.5
CALM_SECONDS = 6.0
TIMES = 4
# Asking costs a reconnection, and whoever uses a key twice can bring it about: so often a device, in so many seconds.
MOST, MOST_SECONDS = 6, 600.0


class Asking:
    """One instance's. Callable from any thread."""

    def __init__(
        self, instance: Instance, begin: Callable[[], None], put: Callable[[Instance, MessageArrived], None]
    ) -> None:
        """`begin` is called when there is something to be asked for; `put` stores what a chat shows instead."""
        self._instance = instance
        self._begin = begin
        self._put = put
        self._lock = threading.Lock()
        self._lost: list[Lost] = []
        self._asked: Counter[str] = Counter()
        # By device: when its messages were asked for.
        self._asked_of: defaultdict[str, deque[float]] = defaultdict(deque)
        self._asked_at = -CALM_SECONDS

    def lost(self, lost: Lost) -> bool:
        """Have a message asked for; False when it was often enough, and is not."""
        with self._lock:
            if self._asked[lost.message_id] == TIMES:
                log.error("instance %s: a message could not be had again", self._instance.uid)
                return False
            often = self._too_often(lost.sender)
            if not often:
                self._asked[lost.message_id] += 1
                self._lost.append(lost)
            first = len(self._lost) == 1
        if often:
            log.warning("instance %s: a device sends what cannot be decrypted, again and again", self._instance.uid)
            self._put(self._instance, _unreadable(lost))
            return False
        if first:
            self._begin()
        return True

    def _too_often(self, sender: str) -> bool:
        times = self._asked_of[sender]
        while times and times[0] < time.monotonic() - MOST_SECONDS:
            times.popleft()
        return len(times) >= MOST

    @property
    def pause(self) -> float:
        """How many seconds to wait first: what was asked for just now must arrive, or asking makes it unreadable."""
        return CALM_SECONDS if time.monotonic() - self._asked_at < CALM_SECONDS else GATHER_SECONDS

    def take(self) -> list[Lost]:
        """What is to be asked for, now."""
        with self._lock:
            self._asked_at = time.monotonic()
            taken, self._lost = self._lost, []
            for sender in {one.sender for one in taken}:
                self._asked_of[sender].append(self._asked_at)
        return taken

    def not_asked(self, taken: list[Lost]) -> None:
        """It came to nothing: they come again, and it does not count."""
        with self._lock:
            self._asked.subtract(one.message_id for one in taken)


def _unreadable(lost: Lost) -> MessageArrived:
    """What a chat shows of a message that nobody asks for."""
    sender = Party(without_device(lost.sender))
    return MessageArrived(
        message_id=lost.message_id,
        chat=Party(lost.chat) if lost.chat else sender,
        sender=sender,
        is_group=bool(lost.chat),
        from_me=False,
        sent_at=timezone.now(),
        kind=Message.Kind.UNREADABLE,
    )
