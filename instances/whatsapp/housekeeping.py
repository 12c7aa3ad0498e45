"""What a connector does now and then beside its connections. Each job is safe to run anywhere, at any time."""

import logging
from collections.abc import Callable

from django.db import DatabaseError

from chats import pinbook
from chats.media import cache
from chats.removal import remove_gone
from chats.search import catch_up, tidy
from chats.search.retention import forget_old
from portal.rest.idempotency import forget_keys

log = logging.getLogger(__name__)

# Every so many ticks (seconds, about).
JOBS: tuple[tuple[int, Callable[[], int]], ...] = (
    (10, pinbook.expire),
    (10, pinbook.give_up_stale),
    # What was written past the intake (the administration, an upgrade) is noted by triggers.
    (10, catch_up),
    (10, tidy),
    (60, forget_old),
    # The files of what was deleted meanwhile, by whatever way.
    (300, cache.forget_gone),
    (600, forget_keys),
    (1, remove_gone),
)


def run(tick: int) -> None:
    """Do what is due; a job that fails is logged, and the others are done all the same."""
    for every, job in JOBS:
        if tick % every:
            continue
        try:
            if done := job():
                log.info("%s: %d", job.__name__, done)
        except DatabaseError:
            log.exception("%s was not done; it is tried again", job.__name__)
