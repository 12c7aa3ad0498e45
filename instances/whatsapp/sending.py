"""Putting one instance's pins and texts on the wire, one after the other, and writing down what came of each."""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.db import Error

from chats import pinbook
from chats.identity import filed_under
from chats.pinbook import Outcome
from instances.whatsapp import database
from instances.whatsapp.adapter import Client
from instances.whatsapp.commands import Order, PinOrder, TextOrder, error_reply
from instances.whatsapp.errors import Busy, NotAllowed, NotConfirmed, NotConnected, Refused, WhatsAppError
from instances.whatsapp.events import MessageArrived, PinSettled
from instances.whatsapp.threads import Threads
from portal import metrics

log = logging.getLogger(__name__)

# Puts an order on the wire; called on a thread, where the library blocks until
# the acknowledgement. Returns the reply to the order's caller.
Work = Callable[[Client], dict[str, Any]]


class Sending:
    """The one place in a connector from which an instance's orders go out."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        # The library sends no two messages of a client at once, and holds its
        # own lock while it waits for an acknowledgement, for 75 seconds if need
        # be. Waiting here instead, an order whose time is over is not sent.
        self._turn = asyncio.Lock()
        self._under_way: set[asyncio.Task[dict[str, Any]]] = set()

    async def carry_out(self, order: Order, client: Client | None, work: Work) -> dict[str, Any]:
        """Send it by `work`, and return the reply to its caller.

        Raises NotConnected or Busy when nothing was sent, and NotConfirmed when
        the order's time was over before the acknowledgement came. Then it stays
        under way, and an acknowledgement that comes late is recorded.
        """
        if client is None:
            raise NotConnected
        begun = asyncio.Event()
        sending = asyncio.create_task(self._in_turn(order, client, work, begun))
        self._under_way.add(sending)
        sending.add_done_callback(self._under_way.discard)
        await asyncio.wait({sending}, timeout=max(order.seconds_left, 0))
        if sending.done():
            return sending.result()
        if begun.is_set():
            raise NotConfirmed
        sending.cancel()
        raise Busy

    @property
    def busy(self) -> bool:
        """Whether an order is under way."""
        return bool(self._under_way)

    async def rest(self, seconds: float) -> None:
        """Wait until nothing is under way, but no longer than this."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)

    async def _in_turn(self, order: Order, client: Client, work: Work, begun: asyncio.Event) -> dict[str, Any]:
        async with self._turn:
            if not order.in_time:
                return error_reply(Busy())
            begun.set()
            return await self._threads.run(work, client)


def send_text(order: TextOrder, store: Callable[[list[MessageArrived]], object], client: Client) -> dict[str, Any]:
    """Send a text, and store it as the messages that come in are stored, so that it can be found and pinned."""
    quoted = (order.quoted_id, order.quoted_sender, order.quoted_text) if order.quoted_id else None
    try:
        sent = client.send_text(order.chat, order.text, quoted, look_up=not order.known, in_time=lambda: order.in_time)
    except WhatsAppError as error:
        return error_reply(error)
    store([sent])
    # Enough to answer with, if the caller cannot read what is stored.
    return {"message_id": sent.message_id, "chat": filed_under(sent.chat), "sent_at": sent.sent_at.isoformat()}


def send_pin(order: PinOrder, store: Callable[[list[PinSettled]], object], client: Client) -> dict[str, Any]:
    """Send a pin or an unpin, and record what came of it; `store` has what the database does not take just now."""
    settled = partial(_record, store, order.attempt, time.monotonic())
    try:
        stanza_id, at = client.send_pin(
            order.chat, order.message_id, order.from_me, order.participant, order.duration, lambda: order.in_time
        )
    except Refused as error:
        settled(Outcome.REFUSED, detail=error.reason)
        return error_reply(error)
    except (NotConnected, Busy, NotAllowed) as error:
        settled(Outcome.NOT_SENT, detail=str(error))
        return error_reply(error)
    except NotConfirmed as error:
        settled(Outcome.UNCONFIRMED)
        return error_reply(error)
    settled(Outcome.ACKNOWLEDGED, at=at, stanza_id=stanza_id)
    return {"stanza_id": stanza_id}


def _record(
    store: Callable[[list[PinSettled]], object], attempt: str, began: float, outcome: Outcome, **facts: Any
) -> None:
    """Write the outcome down before anybody hears of it."""
    try:
        database.call(pinbook.settle, UUID(attempt), outcome, **facts)
    except Error:
        log.exception("the outcome of a pin is not recorded yet")
        store([PinSettled(attempt, outcome.value, **facts)])
    metrics.PIN_SECONDS.labels(outcome.value).observe(time.monotonic() - began)
    log.info("pin: %s", outcome.value)
