"""What the tests of search share: messages made in one line, and found by what they say."""

from datetime import UTC, datetime, timedelta
from typing import Any

from chats import search
from chats.models import Chat, Message
from instances.models import Instance
from tests.base import BaseTestCase

START = datetime(2026, 2, 16, 18, 0, 0, tzinfo=UTC)
ANA = "5511987654321@s.whatsapp.net"
SALES = "120363041234567890@g.us"


class SearchTestCase(BaseTestCase):
    """Alice's shop, a search, and a clock that goes on by a minute a message."""

    def setUp(self) -> None:
        super().setUp()
        self.minutes = 0
        # A test that committed emptied the tables behind it, and that is work for the index.
        search.catch_up()

    def say(self, text: str, *, instance: Instance | None = None, chat: str = ANA, **more: Any) -> Message:
        """One message; anything of the model's can be given."""
        self.minutes += 1
        instance = instance or self.shop
        kind = Chat.Kind.GROUP if chat.endswith("@g.us") else Chat.Kind.DIRECT
        row, _ = Chat.objects.get_or_create(instance=instance, jid=chat, defaults={"kind": kind})
        values: dict[str, Any] = {
            "sender": chat,
            "message_id": f"3EB0{instance.pk:04X}{self.minutes:08X}",
            "from_me": False,
            "sent_at": START + timedelta(minutes=self.minutes),
            "kind": Message.Kind.TEXT,
            "wire_chat": chat,
            "wire_sender": more.get("sender", chat),
        }
        return Message.objects.create(instance=instance, chat=row, text=text, **{**values, **more})

    def page(self, text: str, *scope: Instance, before: search.Cursor | None = None, limit: int = 50) -> search.Page:
        """Search as it would be done after the messages were taken in; in Alice's shop unless told."""
        search.catch_up()
        scope = scope or (self.shop,)
        return search.search({instance.pk for instance in scope}, search.parse(text), before, limit)

    def found(self, text: str, *scope: Instance) -> list[str]:
        """What the hits say, newest first."""
        return [hit.message.text for hit in self.page(text, *scope).hits]

    def assert_finds(self, text: str, *queries: str) -> None:
        """Each of the queries finds exactly the one message that says `text`."""
        for query in queries:
            assert self.found(query) == [text], (query, self.found(query))

    def assert_finds_nothing(self, *queries: str) -> None:
        """None of the queries finds anything."""
        for query in queries:
            assert self.found(query) == [], query
