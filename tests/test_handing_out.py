"""Two workers that hand out events at the same moment: what happened first goes out first."""

from threading import Event as Signal

import pytest
from django.db import connection, transaction

from instances.events import book, outbox, webhooks
from instances.events.kinds import PIN, Event
from instances.events.models import Delivery
from instances.models import Account, Instance
from tests.beside import SECONDS, beside

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite's transactions exclude each other"),
]


def test_no_newer_event_goes_past_an_older_one() -> None:
    """Was red: whoever came second left out what the first had not committed, and sent what came after it."""
    shop = Instance.objects.create(account=Account.objects.create(name="Alice"), name="shop")
    webhook, _ = webhooks.add(shop, "https://crm.example.com/", [PIN])
    shop.refresh_from_db()

    def happen(name: str) -> str:
        event = Event(shop, PIN, name, {"name": name}, "the one chat")
        with transaction.atomic():
            outbox.put([event])
        return str(event.uid)

    handed, go_on = Signal(), Signal()

    def slowly() -> None:
        with transaction.atomic():
            book.hand_out()
            handed.set()
            assert go_on.wait(SECONDS)

    with beside() as threads:
        try:
            ids = [happen("older")]
            first = threads.begin(slowly)
            assert handed.wait(SECONDS)
            ids.append(happen("newer"))
            second = threads.begin(book.hand_out)
            threads.until_it_waits(second)
            assert not Delivery.objects.exists(), "the newer one has gone past"
        finally:
            go_on.set()
        first.result(SECONDS)
        assert second.result(SECONDS) == {webhook.uid}
    assert [str(delivery.event.uid) for delivery in book.due(webhook.uid, 10)] == ids
