"""Names of webhooks that nobody answers for: they cost their own account's webhooks time, and nobody else's."""

import asyncio
import ipaddress
import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta
from unittest import mock

import pytest
from django.test import override_settings
from django.utils import timezone

from instances.events import networks
from instances.events.book import Outcome
from instances.events.models import Delivery, OutgoingEvent, Webhook
from instances.events.sender import Sender
from instances.models import Instance
from tests.receiver import Receiver, receiver

SILENT = "It did not answer within 3 seconds."


class Resolver:
    """Answers for `good` names at once, and for `mute` ones when it is told to; not before."""

    def __init__(self) -> None:
        self.speaks = threading.Event()
        self.asked = 0

    def __call__(self, host: str, port: int) -> list[object]:
        if host.startswith("mute"):
            self.asked += 1
            self.speaks.wait(60)
        return [(None, None, None, "", ("127.0.0.1", port))]


@pytest.fixture
def there() -> Iterator[Receiver]:
    here = override_settings(
        WEBHOOK_ALLOWED_NETWORKS=[ipaddress.ip_network("127.0.0.0/8")], WEBHOOK_TIMEOUT=timedelta(seconds=3)
    )
    with receiver() as made, here:
        yield made


def delivery(account: int, url: str) -> Delivery:
    webhook = Webhook(url=url, salt="x", instance=Instance(account_id=account))
    return Delivery(webhook=webhook, event=OutgoingEvent(uid=uuid.uuid4(), kind="x", at=timezone.now(), body="{}"))


def test_it_works(there: Receiver) -> None:
    resolver = Resolver()
    address = there.url("/ok").replace("127.0.0.1", "{}")

    async def tried() -> tuple[list[Outcome], Outcome, Outcome]:
        sender = Sender()
        mute = [delivery(1, address.format(f"mute{number}.test")) for number in range(networks.LOOKING_UP)]
        sending = [asyncio.create_task(sender.send(one)) for one in mute]
        while resolver.asked < networks.OF_ONE_ACCOUNT:
            await asyncio.sleep(0.01)
        other = await sender.send(delivery(2, address.format("good.test")))
        silent = await asyncio.gather(*sending)
        # Nobody waits any more; the threads still do.
        assert resolver.asked == networks.OF_ONE_ACCOUNT
        resolver.speaks.set()
        own = await sender.send(delivery(1, address.format("good.test")))
        await sender.close()
        return silent, other, own

    with mock.patch.object(networks, "_look_up", resolver):
        try:
            silent, other, own = asyncio.run(tried())
        finally:
            resolver.speaks.set()
    assert (other.status, other.error) == (200, "")
    assert {one.error for one in silent} == {SILENT}
    assert own.status == 200, "its places are free again"
