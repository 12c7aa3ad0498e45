"""Everything measured about one database at one size, a line of JSON each.

`python -m tests.bench.searching.worker sqlite 1000000`. A database that is
filled already is measured as it is.
"""

# ruff: noqa: E402
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterable
from itertools import islice
from statistics import median, quantiles

import django

django.setup()

from django.core.management import call_command

from chats.models import Chat, Message
from chats.search import tidy
from instances.models import Instance
from tests.bench.registry import Bar, at_least, at_most
from tests.bench.searching import intake
from tests.bench.searching import load as filling
from tests.bench.searching import queries as asking
from tests.bench.searching.plans import plan

ASKED = 200
A_MILLION = 1_000_000
TAKEN_IN = 20_000
TIMES_FASTER = 100


def _tell(name: str, value: float, unit: str, bar: Bar | None = None) -> None:
    limits = [bar.limit, bar.least] if bar else None
    load = round(os.getloadavg()[0], 1)
    print(json.dumps({"name": name, "value": value, "unit": unit, "bar": limits, "load": load}), flush=True)


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def measure(database: str, size: int) -> None:
    """In the process of its own: everything about one database."""
    call_command("migrate", verbosity=0)
    if not Message.objects.exists():
        filling.load(size, filling.make_chats())
        print(json.dumps({"filled": size}), flush=True)
    if os.environ.get("SEARCH_FILL"):
        return
    label = f"search_{database}_{size // 1000}k"
    limit = at_most(10 if size <= A_MILLION else 20)
    # One LIKE over ten million takes half a minute.
    liked = 5 if size <= A_MILLION else 2
    scope = sorted(Instance.objects.values_list("pk", flat=True))
    for kind in asking.KINDS:
        _queries(f"{label}_{kind}", limit, asking.questions(kind, scope), liked)
    _deep_pages(f"{label}_deep_page", limit)
    _intake(label)
    _bytes(label)


def _queries(label: str, limit: Bar, questions: Iterable[asking.Question], likes: int) -> None:
    some = iter(questions)
    for question in islice(some, 10):
        asking.ask(question)
    asked = list(islice(some, ASKED))
    took = [_timed(lambda question=question: asking.ask(question)) for question in asked]  # type: ignore[misc]
    found = [_timed(lambda question=question: asking.find(question)) for question in asked]  # type: ignore[misc]
    liked, read = zip(*(_by_like(question) for question in asked[:likes]), strict=True)
    _percentiles(label, took, limit)
    _tell(f"{label}_over_like", (median(liked) + median(read)) / median(took), "times", at_least(TIMES_FASTER))
    # Of the above, what finding takes; the rest is reading fifty messages and showing them, which LIKE has to do too.
    _tell(f"{label}_found_p50", median(found), "ms")
    _tell(f"{label}_found_over_like", median(liked) / median(found), "times")
    slowest = asked[took.index(max(took))]
    print(json.dumps({"plan": label, "ms": max(took), "query": slowest.text, "lines": plan(slowest)}), flush=True)


def _by_like(question: asking.Question) -> tuple[float, float]:
    keys: list[int] = []
    liked = _timed(lambda: keys.extend(asking.find_with_like(question)))
    return liked, _timed(lambda: asking.read(keys))


def _percentiles(label: str, took: list[float], limit: Bar) -> None:
    _tell(f"{label}_p50", median(took), "ms")
    _tell(f"{label}_p95", quantiles(took, n=20)[18], "ms", limit)


def _deep_pages(label: str, limit: Bar) -> None:
    rng = random.Random(1)
    chats = list(Chat.objects.filter(pk__in=rng.sample(range(1, Chat.objects.count() + 1), ASKED)))
    _percentiles(label, [_timed(lambda chat=chat: asking.deep_page(chat, rng)) for chat in chats], limit)  # type: ignore[misc]


def _intake(label: str) -> None:
    seed = Message.objects.count()
    for _ in intake.take_history_in(2_000, seed):
        pass  # The process learns the words that the database knows already.
    rates, seconds = [], 0.0
    for count, took in intake.take_history_in(TAKEN_IN, seed + 1):
        rates.append(count / took)
        seconds += took
    _tell(f"{label}_taken_in", TAKEN_IN / seconds, "messages/s", at_least(5_000))
    # What a busy machine does not spoil so much: its quiet moments.
    _tell(f"{label}_taken_in_at_best", quantiles(rates, n=10)[8], "messages/s")
    plainly = list(intake.insert_plainly(TAKEN_IN, seed + 1))
    _tell(f"{label}_plain_inserts", TAKEN_IN / sum(took for _, took in plainly), "messages/s")
    tidy()


def _bytes(label: str) -> None:
    ours, everything = asking.bytes_on_disk()
    count = Message.objects.count()
    _tell(f"{label}_bytes_of_index", ours / count, "B/message")
    _tell(f"{label}_bytes_of_all", everything / count, "B/message")


if __name__ == "__main__":
    measure(sys.argv[1], int(sys.argv[2]))
