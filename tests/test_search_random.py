"""Many random searches, answered by a plain loop as well: the same messages, in the same order, page by page.

On PostgreSQL once more with its counts so small that every step of its search
is taken, though there are only some hundred messages.
"""

import random
from datetime import timedelta
from unittest.mock import patch

from chats import search
from chats.models import Chat, Message
from chats.search import planning
from chats.search.backends import postgres
from tests.test_search_base import ANA, START, SearchTestCase

WORDS = ["rare", "seldom", *["some"] * 4, *["often"] * 12, "season"]
COUNT = 600


class RandomSearches(SearchTestCase):
    rows: list[Message]

    @classmethod
    def setUpTestData(cls) -> None:
        super().setUpTestData()
        rng = random.Random(5)
        instances = [cls.shop, cls.desk, cls.stall]
        chats = {row.pk: Chat.objects.create(instance=row, jid=ANA, kind=Chat.Kind.DIRECT) for row in instances}
        for number in range(COUNT):
            instance = rng.choice(instances)
            weeks = rng.choice((rng.randrange(3), rng.randrange(150), 60))
            sent_at = START - timedelta(weeks=weeks, seconds=rng.randrange(20) if weeks == 60 else rng.randrange(10**6))
            words = rng.choices(WORDS[:-1], k=rng.randint(1, 4)) + ["season"] * (weeks == 60)
            Message.objects.create(
                instance=instance, chat=chats[instance.pk], sender=ANA, message_id=f"random{number}", sent_at=sent_at,
                from_me=rng.random() < 0.3, kind=rng.choice(["text", "text", "image"]), text=" ".join(words),
                wire_chat=ANA, wire_sender=ANA,
            )  # fmt: skip
        search.catch_up()
        cls.rows = list(Message.objects.order_by("-sent_at", "-pk"))

    def test_as_it_is(self) -> None:
        self.compare(rounds=60)

    def test_with_every_step_taken(self) -> None:
        for near, in_one, many, far in ((1, 1, 2, 0), (3, 2, 5, 1_000), (2, 1, 40, 2), (20, 9, 3, 70)):
            with (
                patch.object(postgres, "NEAR", near),
                patch.object(postgres, "NEAR_IN_ONE", in_one),
                patch.object(postgres, "MANY", many),
                patch.object(postgres, "FAR", far),
            ):
                self.compare(rounds=25)

    def test_without_the_instances_marks(self) -> None:
        with patch.object(planning, "_is_narrow", return_value=False):
            self.compare(rounds=40)

    def compare(self, rounds: int) -> None:
        rng = random.Random(rounds)
        for _ in range(rounds):
            wanted = {rng.choice(WORDS) for _ in range(rng.choice((1, 1, 2)))}
            unwanted = {rng.choice(WORDS)} - wanted if rng.random() < 0.3 else set()
            scope = set(rng.sample([self.shop.pk, self.desk.pk, self.stall.pk], rng.randint(1, 3)))
            mine = rng.random() < 0.2
            since = START - timedelta(weeks=rng.randrange(150)) if rng.random() < 0.3 else None
            text = " ".join([*wanted, *(f"-{word}" for word in unwanted), "is:mine" * mine])
            text += f" after:{since:%Y-%m-%d}" if since else ""
            right = [
                row.pk
                for row in self.rows
                if row.instance_id in scope
                and wanted <= set(row.text.split())
                and not unwanted & set(row.text.split())
                and (row.from_me or not mine)
                and (since is None or row.sent_at.date() > since.date())
            ]
            assert self.pages(scope, text, rng.choice((1, 7, 50, 400)) if len(right) < 60 else 50) == right, (
                text,
                scope,
            )

    def pages(self, scope: set[int], text: str, limit: int) -> list[int]:
        keys: list[int] = []
        before = None
        while True:
            page = search.search(scope, search.parse(text), before, limit)
            keys += [hit.message.pk for hit in page.hits]
            if page.next is None:
                return keys
            before = page.next
