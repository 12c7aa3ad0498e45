"""What a connector does now and then beside its connections. Each job is safe to run anywhere, at any time."""

import logging
import random
from collections.abc import Callable
from functools import partial

from django.conf import settings

from chats import pinbook
from chats.media import cache
from chats.removal import remove_gone
from chats.search import catch_up, tidy
from chats.search.retention import forget_in_time
from portal import clock
from portal.rest import idempotency

log = logging.getLogger(__name__)

# Of a large fleet so many do what one could do for all, on the average; who does it is a matter of luck.
ENOUGH = 8


def expire_pins() -> int:
    """Note which pins have ended."""
    return 0 if clock.doubted(clock.A_WHILE) else pinbook.expire()


def forget_keys() -> int:
    """Forget Idempotency-Keys that were kept for long enough."""
    return 0 if clock.doubted(clock.A_DAY) else idempotency.forget_keys()


# Every so many ticks (seconds, about): for all.
JOBS: tuple[tuple[int, Callable[[], int]], ...] = (
    (10, expire_pins),
    (10, pinbook.give_up_stale),
    # What was written past the intake (the administration, an upgrade) is noted by triggers.
    (10, catch_up),
    (10, tidy),
    (60, partial(forget_in_time, "")),
    (600, forget_keys),
    (1, remove_gone),
)
# For what is here: the instances that this connector holds, the files on its machine.
OWN_JOBS: tuple[tuple[int, Callable[[], int]], ...] = (
    (60, partial(forget_in_time, settings.CONNECTOR_NAME)),
    # The files of what was deleted meanwhile, by whatever way.
    (300, cache.forget_gone),
)


def run(tick: int, fleet: int = 1) -> None:
    """Do what is due; a job that fails is logged, and the others are done all the same. `fleet`: how many run this."""
    clock.look()
    due = [job for every, job in JOBS if tick % every == 0 and random.random() * fleet < ENOUGH]  # noqa: S311  # no secret
    for job in due + [job for every, job in OWN_JOBS if tick % every == 0]:
        name = getattr(job, "func", job).__name__
        try:
            if done := job():
                log.info("%s: %d", name, done)
        except Exception:
            # Whatever it was: it may come each time, and those behind it would never have their turn.
            log.exception("%s was not done; it is tried again", name)
