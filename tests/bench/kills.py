"""Nothing is lost, doubled or untrue, whatever is killed: ROUNDS of them (about 7 s each).

EMBEDDED=1: on the defaults of `make run`, SQLite and the supervisor.
"""

import os
import sys
from collections.abc import Iterator

from tests.bench.registry import Figure, at_most, bench
from tests.kills.rounds import run

ROUNDS = int(os.environ.get("ROUNDS", "12"))
EMBEDDED = bool(os.environ.get("EMBEDDED"))


@bench("kills")
def kills() -> Iterator[Figure]:
    """web, connector, worker, NATS, Valkey and PostgreSQL (or `run`), while a contact writes and three callers pin."""
    result = run(ROUNDS, embedded=EMBEDDED, tell=lambda line: print(line, file=sys.stderr, flush=True))
    print(f"answers to pins by status, 0: the connection broke: {result.answers}", file=sys.stderr)
    yield Figure("kills-rounds", ROUNDS, "kills")
    yield Figure("kills-messages", result.messages, "messages")
    yield Figure("kills-pins", result.pins, "pins")
    yield Figure("kills-pins-confirmed", result.confirmed, "pins")
    yield Figure("kills-lost", result.lost, "messages", at_most(0))
    yield Figure("kills-doubled", result.doubled, "messages", at_most(0))
    yield Figure("kills-said-not-done", result.said_not_done, "pins", at_most(0))
    yield Figure("kills-recorded-not-done", result.recorded_not_done, "pins", at_most(0))
    yield Figure("kills-done-recorded-not", result.done_recorded_not, "pins", at_most(0))
    yield Figure("kills-done-twice", result.done_twice, "pins", at_most(0))
    yield Figure("kills-hung", result.hung, "callers", at_most(0))
    yield Figure("kills-strange", result.strange, "answers", at_most(0))
