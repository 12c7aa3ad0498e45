"""What a device has yet to acknowledge.

WhatsApp keeps a stanza until the device acknowledges it: not connected means it waits, connected but not acknowledged
means it comes again at the next login. Both are one list here.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from .jid import SERVER
from .node import Node, node

Key = tuple[str, str, str, str, str]
Send = Callable[[Node], None]

_BATCH = 100
# A client reads stanzas through a queue of 2048 and gives up their order when it is full (whatsmeow client.go,
# handlerQueueSize), so no more than this many of the stored ones are under way at once.
_WINDOW = 500
_PATIENCE_SECONDS = 5.0


def key_of(stanza: Node) -> Key:
    """How the device's acknowledgement will name this stanza."""
    kind = stanza.text("type") if stanza.tag != "message" else ""
    return stanza.tag, stanza.text("id"), stanza.text("from"), stanza.text("participant"), kind


def acknowledged_by(ack: Node) -> Key:
    """Which stanza an ``<ack>`` from a device means."""
    tag = ack.text("class")
    kind = ack.text("type") if tag != "message" else ""
    return tag, ack.text("id"), ack.text("to"), ack.text("participant"), kind


def message_received_by(receipt: Node, message_id: str) -> Key:
    """Which message a ``<receipt>`` from a device means: it is the acknowledgement of a message."""
    return "message", message_id, receipt.text("to"), receipt.text("participant"), ""


class Outbox:
    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._pending: dict[int, tuple[Key, Node]] = {}
        # A message that is sent anew for a retry has the same id, and comes before the device has acknowledged the
        # first one: each copy is acknowledged on its own, in their order.
        self._copies: dict[Key, list[int]] = {}
        self._send: Send | None = None
        self._moved = asyncio.Event()
        self._held: list[Node] | None = None

    def __len__(self) -> int:
        return len(self._pending)

    def deliver(self, stanza: Node) -> None:
        key, number = key_of(stanza), next(self._numbers)
        self._pending[number] = key, stanza
        self._copies.setdefault(key, []).append(number)
        if self._held is not None:
            self._held.append(stanza)
        elif self._send:
            self._send(stanza)

    def hold(self) -> None:
        """Keep what comes, though the device is there, until `release`."""
        self._held = self._held or []

    async def release(self, rate: float) -> float:
        """Send what was held, so many stanzas a second, and go on as usual; returns how many seconds that took.

        However slowly it is read: what does not go waits between us and the device.
        """
        held, loop = self._held or [], asyncio.get_running_loop()
        began = loop.time()
        # What comes meanwhile joins its end.
        for number, stanza in enumerate(held):
            if (wait := began + number / rate - loop.time()) > 0:
                await asyncio.sleep(wait)
            if self._send:
                self._send(stanza)
        self._held = None
        return loop.time() - began

    def acknowledge(self, key: Key) -> None:
        if numbers := self._copies.get(key):
            del self._pending[numbers.pop(0)]
            if not numbers:
                del self._copies[key]
            self._moved.set()

    def clear(self) -> None:
        self._pending.clear()
        self._copies.clear()

    def close(self) -> None:
        self._send = None

    async def open(self, send: Send) -> None:
        """Send what waited, marked as offline, then everything as it comes."""
        tags = [key[0] for key, _ in self._pending.values()]
        counts = {tag: tags.count(tag) for tag in ("message", "notification", "receipt")}
        total = sum(counts.values())
        if total:
            send(node("ib", {"from": SERVER}, node("offline_preview", {"count": total, "appdata": 0, **counts})))
        sent: set[int] = set()
        while batch := self._next(sent):
            for number, stanza in batch:
                stanza.attrs["offline"] = "1"
                sent.add(number)
                send(stanza)
            await self._room(sent)
        send(node("ib", {"from": SERVER}, node("offline", {"count": len(sent)})))
        self._send = send

    def _next(self, sent: set[int]) -> list[tuple[int, Node]]:
        batch: list[tuple[int, Node]] = []
        for number, (_, stanza) in self._pending.items():
            if number not in sent:
                batch.append((number, stanza))
                if len(batch) == _BATCH:
                    break
        return batch

    async def _room(self, sent: set[int]) -> None:
        while len(self._pending.keys() & sent) > _WINDOW:
            self._moved.clear()
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await self._moved.wait()
            except TimeoutError:
                return
