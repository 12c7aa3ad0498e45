"""A message's `data` may hold 1 MiB (what media need, a poll's options), and no list of the API shows it.

A reaction's hold nothing but whose message it is about, which a rule goes by.
"""

from datetime import timedelta
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chats import search
from chats.models import Chat, Message, Pin, Schedule
from tests.base import ApiTestCase

RULE = {"name": "Greetings", "words": "hello", "duration": "7d"}


class DataNotRead(ApiTestCase):
    """Was red: 500 messages of 1 MiB were read, and unfolded, for an answer that shows none of it."""

    def setUp(self) -> None:
        super().setUp()
        self.message, reaction = self.make_message("3EB0"), self.make_message("3EB1")
        now = timezone.now()
        Message.objects.update(sent_at=now, data={"key": "x"})
        Message.objects.filter(pk=reaction.pk).update(kind="reaction", target_id="3EB0", text="📌", from_me=True)
        Chat.objects.update(last_message_at=now)
        Pin.objects.create(message=self.message, state="pinned", expires_at=now + timedelta(days=1))
        Schedule.objects.create(message=self.message, actor="Alice", step="pin")
        search.catch_up()

    def look(self, path: str, body: Any = None) -> None:
        """The endpoint finds the message, and reads none of its data."""
        with self.subTest(path), CaptureQueriesContext(connection) as asked:
            method = "GET" if body is None else "POST"
            answer = self.call(method, f"/api/chat/{path}", b"" if body is None else body, token=self.alice)
            assert answer.status_code == 200, answer.content
            assert answer.json()["success"]  # type: ignore[attr-defined]
            read = [one["sql"] for one in asked if '"chats_message"."data"' in one["sql"]]
            assert not [sql for sql in read if """"chats_message"."kind" = 'reaction'""" not in sql]

    def test_it_works(self) -> None:
        self.look("history/shop", {"number": "5511999999999"})
        for path in ("list/shop", "pins/shop", "schedules/shop", "search/shop?q=hello"):
            self.look(path)
        self.look("previewRule/shop", {**RULE, "trigger": "message"})
        self.look("previewRule/shop", {**RULE, "trigger": "reaction", "words": "📌", "people": ["me"]})
        self.look("pinMany/shop", {"action": "unpin", "messageIds": ["3EB0"]})
