"""WhatsApp hears that we have a message when it is on our disk, and not before.

whatsmeow sends a message's receipt as soon as the event lies in the buffer
between Go and Python (message.go, decryptMessages; goneonize: main.go), and
what has a receipt is not sent again. But it logs each stanza right before it
goes to the socket (client.go, sendNodeAndGetData), and waits until the line is
taken: a line that is not taken holds its receipt back, on a goroutine of its own.

A message that was decrypted when we were killed, or could not be kept by a
fault of ours, comes again, and cannot be decrypted a second time: whatsmeow
says "Ignoring message … old counter" and wants to send the receipt. If we do
not have it, somebody must ask for it anew: `on_lost`. docs/wire.md has the
whole story.

By the same lines a message is kept from being decrypted while another is
encrypted (`sending`): the library would use a key twice, and the contact's
phone drop what we send next, a pin that WhatsApp has acknowledged.
"""

import logging
import re
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from instances.whatsapp.events import Lost
from instances.whatsapp.logged import ATTRIBUTES, pairs

log = logging.getLogger(__name__)

# No event for so long, and none being taken in: what waits for one waits in vain.
IDLE_SECONDS = 2.0
# As many messages may be under way from being decrypted to the disk: what a kill can cut off.
UNDER_WAY = 16
# A notification is acknowledged beside its event, which then is long there.
BESIDE_SECONDS = 0.3
# A retry is asked for beside the acknowledgement.
ASKING_SECONDS = 5.0
# The ids of messages taken in are remembered for so long: WhatsApp sends again, after a break, those whose receipt was
# under way. So many at most, and of those that came. (Who remembers all of them holds 200 bytes a message for ever.)
TAKEN_SECONDS = 600.0
MOST_TAKEN = 20_000
MOST_COMING = 1_000

# So long at most what is decrypted and what is encrypted wait for each other: in a flood there is always something
# under way, and behind a message that is held lie the answers that a send may need first.
APART_SECONDS = 0.3

_ID = re.compile(r'<message(?: [a-z_]+="[^"<>]*")*? id="([^"<>]*)"')
_PART = re.compile("<enc[ >]")
_OUT = re.compile(rf"<(receipt|ack){ATTRIBUTES}")
# message.go: "Ignoring message %s from %s: %v", the second "sender" or "sender in chat".
_IGNORED = re.compile(r"Ignoring message (.+) from (\S+@\S+?)(?: in (\S+@\S+))?: ")
# The receipts that say "we have it"; "read" and others are of no matter here.
_HELD = ("", "inactive", "sender", "peer_msg")

IsStored = Callable[[str], bool]
OnLost = Callable[[Lost], bool]


@dataclass(slots=True)
class _Coming:
    """A message under way from the socket to the disk."""

    # Its encrypted parts, and those whose event we have or that gave none.
    parts: int = 0
    told: int = 0
    asked: bool = False
    # A fault of ours: it was not kept, and must not be confirmed.
    failed: bool = False
    ignored: Lost | None = None


class Custody:
    """One client's. `line` is called on threads of Go's, which wait; `taking_in` on the one that brings events."""

    def __init__(self, is_stored: IsStored, on_lost: OnLost) -> None:
        """`is_stored`: whether the database has a readable message of this id.

        `on_lost`: tells of a message that must be asked for; False when nobody will, or it was asked for before.
        """
        self._is_stored = is_stored
        self._on_lost = on_lost
        self._changed = threading.Condition()
        self._coming: OrderedDict[str, _Coming] = OrderedDict()
        # When each was taken in, and its id; the oldest first. Hardly ever looked through: a dict would find them at
        # once, but with its oldest going all the time it makes room for four times as many, bit by bit for an hour.
        self._taken: deque[tuple[float, str]] = deque(maxlen=MOST_TAKEN)
        self._busy = False
        self._last = 0.0
        self._over = False
        # Until when what comes waits for a message of ours to be encrypted.
        self._encrypting = 0.0

    def line(self, name: str, text: str) -> None:
        """Take a line of whatsmeow's log; for a receipt, when WhatsApp may have it."""
        if name == "Client/Recv":
            self._came(text)
        elif name == "Client/Send":
            self._leaves(text)
        elif found := _IGNORED.match(text):
            self._ignored(Lost(*(part or "" for part in found.groups())))

    @contextmanager
    def taking_in(self, message_id: str, whole: bool) -> Iterator[None]:
        """While an event is put where a kill cannot reach it; not `whole`: it has only keys for another part."""
        with self._changed:
            self._busy = True
        try:
            yield
            with self._changed:
                if message_id and whole:
                    self._remember(message_id)
                if coming := self._coming.get(message_id):
                    coming.told += 1
        finally:
            with self._changed:
                self._busy, self._last = False, time.monotonic()
                self._changed.notify_all()

    @contextmanager
    def sending(self) -> Iterator[None]:
        """While the library encrypts a message and puts it on the wire: nothing else goes through its sessions."""
        with self._changed:
            # Nothing more comes, and what has come runs out.
            self._encrypting = time.monotonic() + APART_SECONDS
            self._changed.wait_for(lambda: self._over or not self._awaited(), APART_SECONDS)
            self._encrypting = time.monotonic() + APART_SECONDS
        try:
            yield
        finally:
            self._encrypted()

    def failed(self, message_id: str) -> None:
        """A message that came could not be kept. An empty id: nobody knows which; any whose event is not there."""
        with self._changed:
            for name, one in self._coming.items():
                if message_id in ("", name):
                    one.failed = True

    def took(self, message_id: str) -> bool:
        """Whether it was taken in lately."""
        return any(one == message_id for _, one in self._taken)

    def _remember(self, message_id: str) -> None:
        now = time.monotonic()
        self._taken.append((now, message_id))
        while self._taken[0][0] < now - TAKEN_SECONDS:
            self._taken.popleft()

    @property
    def busy(self) -> bool:
        """Whether an event is being taken in at this moment."""
        return self._busy

    def let_go(self) -> None:
        """The socket is closed: nothing that is held can reach WhatsApp any more."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    # --- What comes ---------------------------------------------------------

    def _came(self, stanza: str) -> None:
        found = _ID.match(stanza)
        if found is None:
            return
        with self._changed:
            while not self._over and (left := self._encrypting - time.monotonic()) > 0:
                self._changed.wait(left)
            self._wait_for_room()
            coming = self._coming.get(found[1])
            if coming is None or coming.failed:
                # By a new connection: what waits for the old one's goes on waiting.
                coming = self._coming[found[1]] = _Coming()
            # One that comes without any ("unavailable") has an event too.
            coming.parts += len(_PART.findall(_without_name(stanza))) or 1
            if len(self._coming) > MOST_COMING:
                self._coming.popitem(last=False)

    def _wait_for_room(self) -> None:
        """Read no more from WhatsApp until what was read is on the disk, or gives no event."""
        began = time.monotonic()
        while not self._over:
            awaited = self._awaited()
            if len(awaited) < UNDER_WAY:
                return
            if self._idle_since(began):
                for one in awaited:
                    one.told = one.parts
            self._changed.wait(IDLE_SECONDS / 4)

    def _awaited(self) -> list[_Coming]:
        return [one for one in self._coming.values() if one.told < one.parts and not one.failed]

    def _idle_since(self, moment: float) -> bool:
        return not self._busy and time.monotonic() - max(moment, self._last) > IDLE_SECONDS

    def _ignored(self, lost: Lost) -> None:
        with self._changed:
            if coming := self._coming.get(lost.message_id):
                coming.told += 1
                coming.ignored = lost
                self._changed.notify_all()

    def _given_up(self, message_id: str) -> None:
        with self._changed:
            if coming := self._coming.get(message_id):
                coming.told += 1
                self._changed.notify_all()

    # --- What goes ----------------------------------------------------------

    def _encrypted(self) -> None:
        with self._changed:
            self._encrypting = 0.0
            self._changed.notify_all()

    def _leaves(self, stanza: str) -> None:
        if stanza.startswith("<message "):
            self._encrypted()
            return
        found = _OUT.match(stanza)
        if found is None:
            return
        attributes = dict(pairs(found[2]))
        message_id, kind = attributes.get("id", ""), attributes.get("type", "")
        if found[1] == "receipt":
            if kind == "retry":
                # The fifth is the last: none is spent while nothing can be kept.
                self._wait_for(message_id, retry=True)
            elif kind in _HELD:
                self._wait_for(message_id)
        elif attributes.get("class") == "message":
            if "error" in attributes:
                # A part that is no protobuf: it gives no event.
                self._given_up(message_id)
            self._wait_for(message_id, asked="error" not in attributes)
        elif attributes.get("class") == "notification" and kind == "w:gp2":
            self._wait_beside()

    def _wait_for(self, message_id: str, *, retry: bool = False, asked: bool = False) -> None:
        """Until all of a message is on the disk; with `asked` also until its sender was asked to send it anew."""
        with self._changed:
            coming = self._coming.get(message_id)
            if coming is None:
                return
            began = time.monotonic()
            while not self._over and coming.told < coming.parts:
                if not coming.failed and self._idle_since(began):
                    log.warning("a message came without an event of its own")
                    break
                self._changed.wait(IDLE_SECONDS / 4)
            if retry:
                coming.asked = True
                self._changed.notify_all()
                return
            if asked:
                self._changed.wait_for(lambda: self._over or coming.asked, ASKING_SECONDS)
            if self._over:
                return
            lost = coming.ignored
            if lost is None or self.took(message_id):
                self._coming.pop(message_id, None)
                return
        if not self._stored(message_id) and self._is_asked_for(lost):
            with self._changed:
                self._changed.wait_for(lambda: self._over)
        with self._changed:
            self._coming.pop(message_id, None)

    def _is_asked_for(self, lost: Lost) -> bool:
        try:
            return self._on_lost(lost)
        except Exception:
            log.exception("a lost message cannot be asked for: it is held, and comes again")
            return True

    def _stored(self, message_id: str) -> bool:
        """Ask until there is an answer, or nobody needs it any more."""
        while not self._over:
            try:
                return self._is_stored(message_id)
            except Exception:
                log.exception("the database does not say whether it has a message")
                time.sleep(1)
        return True

    def _wait_beside(self) -> None:
        """Until the event of a notification, which has no id, must have been taken in."""
        began = time.monotonic()
        with self._changed:
            while not self._over and (self._busy or time.monotonic() - max(began, self._last) < BESIDE_SECONDS):
                self._changed.wait(BESIDE_SECONDS)


def _without_name(stanza: str) -> str:
    """A logged message without what its sender calls themselves: it is not escaped, and may look like a part.

    The attributes stand in the order of their names (whatsmeow: binary/xml.go), and the time is never left out.
    """
    begin, end = stanza.find(' notify="'), stanza.rfind(' t="')
    return stanza[:begin] + stanza[end:] if 0 <= begin < end else stanza
