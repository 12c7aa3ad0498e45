"""What is asked in the measurement: kinds of query, each with many different words, and LIKE for the same."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db import connection

from chats.models import Chat, Message
from chats.search import parse, search
from chats.search.backends import backend
from chats.search.planning import make_plan
from chats.selectors import conversation
from chats.selectors.places import Place
from tests.bench.searching.load import MADE
from tests.bench.searching.rows import RARE_EVERY, WORDS

FIRST_YEAR = date(2024, 1, 1)


@dataclass(frozen=True, slots=True)
class Question:
    """One search: who asks, what is typed, and what a plain LIKE would look for."""

    scope: list[int]
    text: str
    likes: tuple[str, ...]
    span: tuple[date, date] | None = None


def _common(rng: random.Random) -> str:
    return rng.choice(WORDS[:10])


def _rare(rng: random.Random, scope: list[int]) -> Question:
    # As many different ones as there are among what was made.
    word = f"xylophon{rng.randrange(MADE // RARE_EVERY)}"
    return Question(scope, word, (word,))


def _common_word(rng: random.Random, scope: list[int]) -> Question:
    word = _common(rng)
    return Question(scope, word, (word,))


def _medium_word(rng: random.Random, scope: list[int]) -> Question:
    word = rng.choice(WORDS[100:2_000])
    return Question(scope, word, (word,))


def _two_words(rng: random.Random, scope: list[int]) -> Question:
    words = rng.sample(WORDS[:60], 2)
    return Question(scope, " ".join(words), tuple(words))


def _narrow(rng: random.Random, scope: list[int]) -> Question:
    word = _common(rng)
    first = FIRST_YEAR + timedelta(days=rng.randrange(250, 330))
    end = first + timedelta(days=7)
    text = f"{word} after:{first - timedelta(days=1)} before:{end}"
    return Question([rng.choice(scope)], text, (word,), (first, end))


def _prefix(rng: random.Random, scope: list[int]) -> Question:
    word = rng.choice(WORDS[:3_000])[: rng.choice((3, 4, 5))]
    return Question(scope, word + "*", (word,))


def _substring(rng: random.Random, scope: list[int]) -> Question:
    text = "".join(rng.choices([chr(0x4E00 + number) for number in range(150)], k=rng.choice((2, 2, 3))))
    return Question(scope, text, (text,))


KINDS: dict[str, Callable[[random.Random, list[int]], Question]] = {
    "rare": _rare,
    "common": _common_word,
    "medium": _medium_word,
    "two_words": _two_words,
    "narrow": _narrow,
    "prefix": _prefix,
    "substring": _substring,
}


def questions(kind: str, scope: list[int]) -> Iterator[Question]:
    """Questions of a kind without end, the same in every run."""
    rng = random.Random(kind)
    while True:
        yield KINDS[kind](rng, scope)


def ask(question: Question) -> int:
    """The search, as a page does it: 50 messages with their snippets."""
    return len(search(question.scope, parse(question.text)).hits)


def find(question: Question) -> list[int]:
    """The keys alone of what `ask` shows."""
    plan = make_plan(question.scope, parse(question.text), None)
    return backend().find(plan, 51) if plan else []


def find_with_like(question: Question) -> list[int]:
    """The same by LIKE (ILIKE on PostgreSQL), as primary keys."""
    rows = Message.objects.filter(instance__in=question.scope, deleted_at=None).exclude(kind__in=Message.ACTIONS)
    for like in question.likes:
        rows = rows.filter(text__icontains=like)
    if question.span:
        first, end = (datetime.combine(day, time.min, UTC) for day in question.span)
        rows = rows.filter(sent_at__gte=first, sent_at__lt=end)
    return list(rows.order_by("-sent_at", "-pk").values_list("pk", flat=True)[:50])


def read(keys: list[int]) -> int:
    """Fifty messages and their chats by primary key: what it takes to show any of them, however they were found."""
    return len(Message.objects.select_related("chat").in_bulk(keys))


def deep_page(chat: Chat, rng: random.Random) -> int:
    """A page of a chat somewhere in its past, as the chat's page reads it."""
    at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=rng.randrange(30, 730))
    return len(conversation.older_than(chat, Place(at, 0)).rows)


def bytes_on_disk() -> tuple[int, int]:
    """Of the search's tables, and of all: bytes."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT sum(pgsize) FILTER (WHERE name LIKE '%chats_search%'), sum(pgsize) FROM dbstat")
        else:
            cursor.execute(
                "SELECT sum(pg_total_relation_size(oid)) FILTER (WHERE relname LIKE 'chats_search%%'),"
                " sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'chats_%%'"
            )
        ours, everything = cursor.fetchone()
    return int(ours), int(everything)
