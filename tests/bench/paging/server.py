"""A million messages in SQLite, and pages asked for through Django's own client. Prints a JSON line a figure."""

import json
import os
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import django

ROWS = int(os.environ.get("PAGES_ROWS", 1_000_000))
TIMES = 200
QUERIES = (
    "order", "delivery address", "invoice", "thank you", '"good morning"', "from:Ana", "is:mine order", "type:document",
    "after:2026-01-01 order", "pay*", "zzzzzz",
)  # fmt: skip


def tell(name: str, value: float, unit: str) -> None:
    print(json.dumps({"name": name, "value": value, "unit": unit}), flush=True)


def main() -> None:
    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from chats.models import Chat, Message
    from tests.bench.searching.load import load, make_chats

    call_command("migrate", verbosity=0, interactive=False)
    load(ROWS, make_chats())
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE chats_chat SET read_at = '2026-01-01', last_message_at ="
            " (SELECT MAX(sent_at) FROM chats_message WHERE chat_id = chats_chat.id)"
        )
        cursor.execute("ANALYZE")
    client = Client(SERVER_NAME="localhost")
    client.force_login(operator(), backend="django.contrib.auth.backends.ModelBackend")
    dice = random.Random(3)
    chats = list(Chat.objects.values_list("pk", flat=True))
    keys = list(Message.objects.filter(pk__in=dice.sample(range(1, ROWS), 400)).values_list("pk", "chat_id"))
    words = sample_words(dice)

    def search() -> str:
        return f"/search/?q={dice.choice(QUERIES) if dice.random() < 0.5 else dice.choice(words)}"

    def chat() -> str:
        if dice.random() < 0.5:
            return f"/chats/{dice.choice(chats)}/"
        message, chat_of_it = dice.choice(keys)
        return f"/chats/{chat_of_it}/?at={message}"

    for name, address in (("search", search), ("chat", chat)):
        times, most = measure(client, address, lambda: CaptureQueriesContext(connection))
        tell(f"pages-{name}-p50", statistics.median(times), "ms")
        tell(f"pages-{name}-p95", statistics.quantiles(times, n=20)[18], "ms")
        tell(f"pages-{name}-queries", most, "queries")


def operator() -> Any:
    """Somebody with a role on half of the instances: the common case, and the dearer one."""
    from django.contrib.auth import get_user_model

    from instances.models import Account, Membership

    user = get_user_model().objects.create_user("olivia")
    account = Account.objects.get(name="bench")
    member = Membership.objects.create(user=user, account=account, role=Membership.Role.OPERATOR)
    member.instances.set(list(account.instances.all())[::2] or account.instances.all())
    return user


def sample_words(dice: random.Random) -> list[str]:
    """Words that people really wrote."""
    from chats.models import Message

    texts = (
        Message.objects.filter(pk__in=dice.sample(range(1, ROWS), 300)).exclude(text="").values_list("text", flat=True)
    )
    return [dice.choice(text.split()) for text in texts if text.split()]


def measure(client: Any, address: Callable[[], str], capture: Callable[[], Any]) -> tuple[list[float], int]:
    """Milliseconds of each page that opened, and the most queries one took."""
    for _ in range(10):
        client.get(address())
    most = 0
    for _ in range(30):
        with capture() as queries:
            client.get(address())
        most = max(most, len(queries))
    times = []
    for _ in range(3 * TIMES):
        path = address()
        began = time.perf_counter()
        answer = client.get(path)
        spent = (time.perf_counter() - began) * 1000
        # A chat of an instance that is not Olivia's is a 404, and quick.
        if answer.status_code == 200:
            times.append(spent)
    if len(times) < TIMES:
        raise SystemExit(f"only {len(times)} pages opened; the last answer was {answer.status_code}")
    return times[:TIMES], most


if __name__ == "__main__":
    main()
