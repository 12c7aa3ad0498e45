"""Everything measured about one database, a line of JSON each: `python -m tests.bench.searching.worker sqlite`."""

# ruff: noqa: E402
import json
import os
import random
import sys
import time
from collections.abc import Callable
from itertools import islice
from statistics import median, quantiles

import django

django.setup()

from django.core.management import call_command

from chats.models import Chat, Message
from tests.bench.registry import Bar, at_least, at_most
from tests.bench.searching import load as filling
from tests.bench.searching import queries as asking
from tests.bench.searching.plans import plan

ASKED = 200
LIKED = 5
TAKEN_IN = 20_000
TIMES_FASTER = 100
# The sizes are multiples of this.
MADE = 200_000


def _tell(name: str, value: float, unit: str, bar: Bar | None = None) -> None:
    limits = [bar.limit, bar.least] if bar else None
    print(json.dumps({"name": name, "value": value, "unit": unit, "bar": limits}), flush=True)


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def measure(database: str) -> None:
    """In the process of its own: everything about one database."""
    call_command("migrate", verbosity=0)
    chats = filling.make_chats()
    sizes = [int(size) for size in os.environ.get("SEARCH_ROWS", "1000000").split(",")]
    costs: list[float] = []
    stored = 0
    for size in sizes:
        if not stored:
            # Python makes the first of them; copies some seconds later are the rest.
            filling.load(MADE, chats)
            stored = MADE
        filling.grow(MADE, stored // MADE, size // MADE)
        stored = size
        label = f"search_{database}_{size // 1000}k"
        _queries(label, 10 if size <= 1_000_000 else 20, chats)
        costs.append(_intake(label, size, chats))
        _bytes(label)
    if len(costs) > 1:
        _tell(f"search_{database}_growth_of_cost", costs[-1] / costs[0], "times", at_most(1.5))


def _queries(label: str, milliseconds: float, chats: dict[tuple[int, int], int]) -> None:
    scope = sorted({instance for instance, _ in chats})
    for kind in asking.KINDS:
        some = asking.questions(kind, scope)
        for question in islice(some, 10):
            asking.ask(question)
        asked = list(islice(some, ASKED))
        took = [_timed(lambda question=question: asking.ask(question)) for question in asked]  # type: ignore[misc]
        liked = [_timed(lambda question=question: asking.ask_with_like(question)) for question in asked[:LIKED]]  # type: ignore[misc]
        _tell(f"{label}_{kind}_p50", median(took), "ms")
        _tell(f"{label}_{kind}_p95", quantiles(took, n=20)[18], "ms", at_most(milliseconds))
        _tell(f"{label}_{kind}_over_like", median(liked) / median(took), "times", at_least(TIMES_FASTER))
        slowest = asked[took.index(max(took))]
        print(json.dumps({"plan": f"{label}_{kind}", "ms": max(took), "query": slowest.text, "lines": plan(slowest)}))
    rng = random.Random(1)
    some_chats = list(Chat.objects.filter(pk__in=rng.sample(sorted(chats.values()), ASKED)))
    took = [_timed(lambda chat=chat: asking.deep_page(chat, rng)) for chat in some_chats]  # type: ignore[misc]
    _tell(f"{label}_deep_page_p50", median(took), "ms")
    _tell(f"{label}_deep_page_p95", quantiles(took, n=20)[18], "ms", at_most(milliseconds))


def _intake(label: str, size: int, chats: dict[tuple[int, int], int]) -> float:
    took = list(filling.take_in(size, TAKEN_IN, chats))
    _tell(f"{label}_taken_in", TAKEN_IN / sum(took), "messages/s", at_least(5_000))
    # What a busy machine does not spoil so much: its quiet moments.
    _tell(f"{label}_taken_in_at_best", TAKEN_IN / len(took) / quantiles(took, n=10)[0], "messages/s")
    return sum(took) / TAKEN_IN


def _bytes(label: str) -> None:
    ours, everything = asking.bytes_on_disk()
    count = Message.objects.count()
    _tell(f"{label}_bytes_of_index", ours / count, "B/message")
    _tell(f"{label}_bytes_of_all", everything / count, "B/message")


if __name__ == "__main__":
    measure(sys.argv[1])
