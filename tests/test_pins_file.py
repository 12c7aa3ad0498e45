"""The file of all pins, while somebody reads it slowly."""

import csv
import io
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import TransactionTestCase
from django.test.utils import CaptureQueriesContext

from chats.models import Chat, Message, Pin
from chats.selectors import pins
from instances.models import Account, Instance
from tests.test_search_base import ANA, START

# More than are read at once, twice.
ROWS = 2 * pins.BATCH + 1


class PinsFile(TransactionTestCase):
    """No transaction of the test's own is around it."""

    def setUp(self) -> None:
        shop = Instance.objects.create(account=Account.objects.create(name="Alice"), name="shop")
        chat = Chat.objects.create(instance=shop, jid=ANA, kind=Chat.Kind.DIRECT)
        common: dict[str, Any] = {"instance": shop, "chat": chat, "from_me": False, "kind": "text", "sent_at": START}
        wire = {"sender": ANA, "wire_chat": ANA, "wire_sender": ANA}
        messages = Message.objects.bulk_create(
            Message(message_id=f"M{number}", text="word", data={"key": "x"}, **common, **wire) for number in range(ROWS)
        )
        # Half of them changed at one moment.
        self.pins = Pin.objects.bulk_create(
            Pin(message=message, state=Pin.State.PINNED, changed_at=START + timedelta(seconds=min(number, ROWS // 2)))
            for number, message in enumerate(messages)
        )
        self.client.force_login(get_user_model().objects.create_superuser("root"))

    def pieces(self) -> Any:
        answer: Any = self.client.get("/pins/pins.csv")
        assert answer.status_code == 200
        self.addCleanup(answer.close)
        return iter(answer.streaming_content)

    def ids(self, *pieces: bytes) -> list[str]:
        return [row["messageId"] for row in csv.DictReader(io.StringIO(b"".join(pieces).decode("utf-8-sig")))]

    def test_all_of_them_in_their_order(self) -> None:
        wanted = [pin.message.message_id for pin in sorted(self.pins, key=lambda pin: (pin.changed_at, pin.pk))]
        assert self.ids(*self.pieces()) == wanted[::-1]

    def test_what_changes_meanwhile_is_there_once(self) -> None:
        pieces = self.pieces()
        first = [next(pieces), next(pieces)]
        # It comes to the top, which was read already; another is gone.
        Pin.objects.filter(pk=self.pins[0].pk).update(changed_at=START + timedelta(days=1), state=Pin.State.EXPIRED)
        gone = self.pins[1]
        Pin.objects.filter(pk=gone.pk).delete()
        ids = self.ids(*first, *pieces)
        assert len(ids) == len(set(ids)) == ROWS - 1
        assert self.pins[0].message.message_id in ids

    def test_what_media_hold_is_not_read(self) -> None:
        """Up to 1 MiB a message, which no column shows."""
        with CaptureQueriesContext(connection) as asked:
            assert len(self.ids(*self.pieces())) == ROWS
        assert not [one["sql"] for one in asked if '"chats_message"."data"' in one["sql"]]

    @pytest.mark.sqlite_only
    def test_a_slow_reader_holds_nothing(self) -> None:
        """Was red: for as long as somebody read, the WAL could not begin anew, and grew."""
        pieces = self.pieces()
        first = [next(pieces), next(pieces)]
        Pin.objects.filter(pk=self.pins[-1].pk).update(actor="meanwhile")
        with closing(sqlite3.connect(str(connection.settings_dict["NAME"]), timeout=0)) as other:
            ((busy, _frames, _done),) = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        assert not busy
        assert len(self.ids(*first, *pieces)) == ROWS
