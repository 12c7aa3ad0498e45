"""Writing down what a session learns of its instance, as soon as the database takes it, and telling of its state."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from typing import Any

from django.db import DatabaseError
from django.db.models import QuerySet
from django.utils import timezone

from instances.models import Instance
from instances.states import State
from instances.whatsapp import commands
from instances.whatsapp.errors import NotConnected
from instances.whatsapp.stating import news_of, save_state
from instances.whatsapp.threads import Threads
from portal.broker import NobodyListens, broker

log = logging.getLogger(__name__)

# Among the fields that are to be written: the state, which is several, and an event.
STATE = "state"


class Recording:
    """One instance's row, as its owner writes it; on the connector's loop."""

    def __init__(self, instance: Instance, holds: Callable[[], bool], threads: Threads) -> None:
        self._instance = instance
        self._holds = holds
        self._threads = threads
        # What is so, and stands in no row yet.
        self._unwritten: set[str] = set()
        self._told_at = instance.state_at
        self._turn = asyncio.Lock()
        self._changed = asyncio.Condition()

    @property
    def waits(self) -> bool:
        """Whether something is still to be written."""
        return bool(self._unwritten)

    def mine(self) -> "QuerySet[Instance]":
        """The row, while it is ours."""
        return Instance.objects.filter(pk=self._instance.pk, epoch=self._instance.epoch)

    async def save(self, **fields: Any) -> None:
        """Write what somebody wants. Raises DatabaseError, or NotConnected of a row not ours; then it is not so."""
        if not await self._put(fields):
            raise NotConnected
        for name, value in fields.items():
            setattr(self._instance, name, value)

    async def learn(self, **fields: Any) -> None:
        """Write what is so, whether the database takes it or not: what it does not take is for `write`."""
        for name, value in fields.items():
            setattr(self._instance, name, value)
        self._unwritten |= fields.keys()
        await self.write()

    async def state(self, state: State, detail: str = "") -> None:
        """Write a new state, if it is one, and tell everybody of it."""
        if (self._instance.state, self._instance.state_detail) != (state, detail[:300]):
            self._instance.state, self._instance.state_detail = state, detail[:300]
            self._instance.state_at = timezone.now()
            log.info("instance %s: %s", self._instance.uid, state)
            self._unwritten.add(STATE)
            await self.write()
        async with self._changed:
            self._changed.notify_all()

    async def until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `ready`, which is asked whenever a state was told, but no longer than this."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(ready)

    async def write(self) -> None:
        """Write what waits."""
        async with self._turn:
            while self._unwritten and self._holds():
                waiting, self._unwritten = self._unwritten, set()
                try:
                    if fields := {name: getattr(self._instance, name) for name in waiting - {STATE}}:
                        await self._put(fields)
                    if STATE in waiting:
                        await self._write_state()
                except DatabaseError:
                    log.exception("instance %s: what is known is not written yet", self._instance.uid)
                    self._unwritten |= waiting
                    return

    async def _put(self, fields: dict[str, Any]) -> bool:
        """Write into the row; False: it is another connector's by now, which knows better."""
        if await self._threads.ask(self.mine().update, **fields):
            return True
        log.warning("instance %s is no longer ours", self._instance.uid)
        return False

    async def _write_state(self) -> None:
        now = copy(self._instance)
        if now.state_at == self._told_at:
            return
        event = await self._threads.ask(save_state, now)
        self._told_at = now.state_at
        # Without an event it is another connector's by now, which tells what is so.
        if event is not None:
            await self.news("state", news_of(now, event))

    async def news(self, topic: str, payload: dict[str, Any]) -> None:
        """Tell live pages; lost when NATS is away."""
        try:
            await broker().publish_async(commands.news_subject(self._instance.uid, topic), payload)
        except NobodyListens:
            log.debug("news not told: NATS is away")
