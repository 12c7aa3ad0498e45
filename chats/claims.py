"""A claim on a row that the worker carries out: one runner at a time, and a dead one's work is gone on with.

Such a row has `state`, `claimed_until`, and the `attempt` that names the one
stanza it may send, whoever carries it out.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q

from portal import clock

# Beyond the wait for WhatsApp, a claim lasts this much longer; then another runner may take over.
CLAIM_GRACE = timedelta(seconds=15)


def unclaimed(now: datetime) -> Q:
    """Rows that nobody is at, or whose runner died."""
    return Q(claimed_until=None) | clock.passed("claimed_until", now, settings.ACK_TIMEOUT + CLAIM_GRACE)


def claim(row: Any, now: datetime, **seen: Any) -> bool:
    """Compare and swap: of several runners one gets the row. `seen`: what else must still be as it was read."""
    attempt, until = row.attempt or uuid.uuid4(), now + settings.ACK_TIMEOUT + CLAIM_GRACE
    unchanged = {"claimed_until": row.claimed_until, "attempt": row.attempt, **seen}
    rows = type(row)._default_manager.filter(pk=row.pk, state=type(row).State.WAITING, **unchanged)
    row.attempt, row.claimed_until = attempt, until
    return bool(rows.update(attempt=attempt, claimed_until=until))
