"""Groups of which it is not known what they are called, or who their admins are: WhatsApp is asked about them.

`chats.intake` tells of each once. Whoever hears it may be off the air at that moment, be killed before it has asked, or
only store what another process left. So those that were not asked about wait for the next connection, and are looked
for among the rows by whoever takes the instance, and then no more than once an hour.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from django.db import DatabaseError
from django.utils import timezone

from chats.models import Chat, Message
from instances.models import Instance
from instances.whatsapp.adapter import Client
from instances.whatsapp.events import GroupChanged
from instances.whatsapp.threads import Threads
from portal.pool import Pool

log = logging.getLogger(__name__)

# Of one instance one at a time, and so far apart; and of all together so many at once, for the threads that send pins
# have better to do, and five hundred instances may connect at the same moment.
PAUSE_SECONDS = 0.5
_POOL = Pool(4, "groups")
# One about which WhatsApp says nothing, which we have left perhaps, is asked about by so many connections.
TIMES = 3
LOOK_SECONDS = 3600.0
MOST = 500
# What waited for longer waits until its group is asked about for another reason.
WAITING = timedelta(days=30)


class Groups:
    """One instance's, on the connector's loop."""

    def __init__(
        self, instance: Instance, client: Callable[[], Client | None], put: Callable[[Instance, GroupChanged], None]
    ) -> None:
        """`client`: the one that is connected, if one is; `put` stores what it says."""
        self._instance = instance
        self._client = client
        self._put = put
        self._threads = Threads(_POOL)
        # To be asked about in this order, now and by the next connection; and how often each was in vain.
        self._now: dict[str, None] = {}
        self._next: dict[str, None] = {}
        self._in_vain: Counter[str] = Counter()
        self._look_at = float("-inf")
        self._turn = asyncio.Lock()

    async def unknown(self, jid: str) -> None:
        """One has come that is not known, or whose admins are others now."""
        self._in_vain.pop(jid, None)
        self._now = {jid: None} | self._now
        await self._ask()

    async def connected(self) -> None:
        """There is a connection: ask about all that wait for one."""
        self._now |= self._next
        self._next = {}
        await self._ask()

    async def _ask(self) -> None:
        async with self._turn:
            await self._look()
            while self._now and (client := self._client()) is not None:
                jid = next(iter(self._now))
                del self._now[jid]
                if not await self._told_by(client, jid):
                    self._in_vain[jid] += 1
                    if self._in_vain[jid] < TIMES:
                        self._next[jid] = None
                await asyncio.sleep(PAUSE_SECONDS)

    async def _told_by(self, client: Client, jid: str) -> bool:
        try:
            change = await self._threads.run(client.group, jid)
            if change is not None:
                await self._threads.run(self._put, self._instance, change)
        except Exception:
            log.exception("instance %s: a group could not be asked about", self._instance.uid)
            return False
        return change is not None

    async def _look(self) -> None:
        if self._client() is None or self._instance.ignore_groups or time.monotonic() < self._look_at:
            return
        try:
            found = await self._threads.ask(_unknown, self._instance)
        except DatabaseError:
            log.exception("instance %s: groups that are not known are looked for again", self._instance.uid)
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        self._now |= dict.fromkeys(jid for jid in found if not self._in_vain[jid])


def _unknown(instance: Instance) -> list[str]:
    """Groups without a name, and those where something waits for it to be known who may do it."""
    groups = Chat.objects.filter(instance=instance, kind=Chat.Kind.GROUP).order_by("-last_message_at")
    unjudged = dict(groups.filter(admins__isnull=True).values_list("pk", "jid")[:MOST])
    waiting = Message.objects.filter(
        chat__in=unjudged, kind__in=Message.CHANGING, sent_at__gte=timezone.now() - WAITING, data__waits=True
    )
    found = [unjudged[chat] for chat in waiting.values_list("chat", flat=True).distinct()]
    return list(dict.fromkeys([*found, *groups.filter(name="").values_list("jid", flat=True)[:MOST]]))
