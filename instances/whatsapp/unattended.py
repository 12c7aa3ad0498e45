"""When no connector gives a sign of life any more, the states of their instances say so.

Of a connector that dies the others tell (`instances.leases`). The last one has no others, and what it held would be
called connected for as long as nobody starts another. So workers look. As among connectors, no clock is compared
with another one.
"""

import asyncio
import logging
from collections.abc import Callable
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils.translation import gettext_noop

from instances import leases
from instances.events.kinds import Event
from instances.models import Connector, Instance
from instances.states import HELD
from instances.whatsapp.stating import save_unplaced, tell
from instances.whatsapp.threads import Threads
from portal.clock import steady
from portal.pool import Pool

log = logging.getLogger(__name__)

LOOK_SECONDS = settings.LEASE.total_seconds()
# Longer than a connector that lives may be silent, and than one that was killed is away where something starts it anew.
SILENT_SECONDS = 5 * LOOK_SECONDS
# Whoever has not looked for so long saw no sign of life for that reason.
BLINK_SECONDS = SILENT_SECONDS / 2
NONE_RUNS = gettext_noop("none is running at all")


class Unattended:
    """A worker's look at all connectors; several workers do each other no harm."""

    def __init__(self, clock: Callable[[], float] = steady) -> None:
        self._clock = clock
        self._signs: set[tuple[str, UUID, int]] = set()
        # Since when those are all there are, and when we looked last.
        self._since = self._looked_at = float("-inf")

    async def run(self) -> None:
        """Look for as long as the process runs."""
        threads = Threads(Pool(1, "unattended"))
        while True:
            try:
                tell(await threads.ask(self.look))
            except DatabaseError:
                log.debug("nobody knows which connectors live: the database is away")
            except Exception:
                log.exception("a look at the connectors failed; it is tried again")
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> list[tuple[Instance, Event | None]]:
        """Say of some instances that no connector runs, if none has been heard of for long enough; returns them."""
        rows = list(Connector.objects.only("name", "run", "beat"))
        signs = {(row.name, row.run, row.beat) for row in rows}
        now = self._clock()
        if signs != self._signs or now - self._looked_at > BLINK_SECONDS:
            self._signs, self._since = signs, now
        self._looked_at = now
        if now - self._since < SILENT_SECONDS:
            return []
        # As one of its like would: if it wakes up after all, it enters anew, and begins anew with all that it holds.
        if None in [leases.bury(row) for row in rows]:
            return []
        self._signs = set()
        with transaction.atomic():
            # One that comes at this moment has its row, and then what it takes.
            nobodys = Instance.objects.exclude(owner__in=Connector.objects.values("name"))
            held = nobodys.filter(state__in=HELD).select_for_update(skip_locked=True)
            return save_unplaced((instance, NONE_RUNS) for instance in held[: leases.TOLD_AT_ONCE])
