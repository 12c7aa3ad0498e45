"""Events on their way to webhooks: a real worker, a real nats-server, a real receiver, on either database."""

import ipaddress
import itertools
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

import portal.broker
from instances.events import book, outbox, signing, webhooks
from instances.events.kinds import GROUP, PIN, Event
from instances.events.models import Attempt, Delivery, OutgoingEvent, Webhook
from instances.models import Account, Instance
from portal.broker import Broker
from portal.supervisor import nats
from tests.portal_process import ROOT
from tests.receiver import Receiver, receiver
from tests.worker_process import WorkerProcess, wait

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

HERE = override_settings(WEBHOOK_ALLOWED_NETWORKS=[ipaddress.ip_network("127.0.0.0/8")])
Start = Callable[..., WorkerProcess]


@pytest.fixture
def shop() -> Instance:
    return Instance.objects.create(account=Account.objects.create(name="Alice"), name="shop")


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as made, HERE:
        yield made


@pytest.fixture
def start(nats_url: str) -> Iterator[Start]:
    """Start workers; they are stopped after the test."""
    with ExitStack() as workers:
        # The workers are told at once, as they are in a portal.
        own = Broker(nats_url, "test")
        workers.callback(own.close)
        workers.enter_context(mock.patch.object(portal.broker, "_broker", own))

        def begin(url: str = nats_url, **more: str) -> WorkerProcess:
            worker = WorkerProcess(url, WEBHOOK_FIRST_WAIT_SECONDS="0.2", **more)
            workers.callback(worker.stop)
            return worker

        yield begin


def hook(shop: Instance, url: str, *kinds: str) -> Webhook:
    return webhooks.add(shop, url, kinds or [PIN])[0]


def happen(shop: Instance, *names: str, kind: str = PIN, chat: str = "") -> list[str]:
    """Something happens, once for each name, each in a transaction of its own; the events' ids."""
    shop.refresh_from_db()
    ids = []
    for name in names:
        event = Event(shop, kind, name, {"name": name}, chat or f"chat {name}")
        with transaction.atomic():
            outbox.put([event])
        ids.append(str(event.uid))
    return ids


def test_it_works(shop: Instance, there: Receiver, start: Start) -> None:
    webhook = hook(shop, there.url("/ok"))
    worker = start()
    (event_id,) = happen(shop, "a")
    (request,) = wait(lambda: there.at("/ok"), log=lambda: worker.log)
    assert request.event == {
        "id": event_id,
        "event": "message.pin",
        "instance": "shop",
        "timestamp": request.event["timestamp"],
        "data": {"name": "a"},
    }
    # By the very words of the documentation, as any receiver would.
    documented: dict[str, Any] = {}
    exec(re.search(r"```python\n(.*?)```", (ROOT / "docs/events.md").read_text(), re.DOTALL)[1], documented)  # type: ignore[index]
    secret, verify = signing.secret(webhook), documented["verify"]
    assert verify(secret, request.headers, request.body)
    assert not verify(secret, request.headers, request.body + b" ")
    assert not verify(secret, request.headers | {"webhook-timestamp": str(int(time.time()) - 400)}, request.body)
    new = webhooks.rotate(webhook)
    both = signing.headers(webhook, event_id, int(time.time()), request.body)
    assert verify(secret, both, request.body)
    assert verify(new, both, request.body)
    assert not verify(secret[:-4] + "AAA=", both, request.body)
    attempt = wait(Attempt.objects.first)
    assert (attempt.status, attempt.answer, attempt.error) == (200, "answer 200", "")
    assert attempt.delivery.state == Delivery.State.DELIVERED


def test_only_what_was_chosen(shop: Instance, there: Receiver, start: Start) -> None:
    hook(shop, there.url("/ok/pins"))
    hook(shop, there.url("/ok/both"), PIN, GROUP)
    start()
    pin, group = happen(shop, "a") + happen(shop, "b", kind=GROUP)
    # What belongs to different chats or addresses may go out at the same moment.
    wait(lambda: set(there.ids("/ok/both")) == {pin, group} and there.ids("/ok/pins") == [pin])


def test_nothing_is_written_when_nobody_wants_it(shop: Instance, there: Receiver) -> None:
    hook(shop, there.url("/ok"))
    happen(shop, "a", kind=GROUP)
    assert not OutgoingEvent.objects.exists()


def test_what_is_rolled_back_is_not_told(shop: Instance, there: Receiver) -> None:
    hook(shop, there.url("/ok"))
    shop.refresh_from_db()
    with transaction.atomic():
        outbox.put([Event(shop, PIN, "a", {})])
        transaction.set_rollback(True)
    assert not OutgoingEvent.objects.exists()


def test_it_is_tried_again_with_the_same_id_and_body(shop: Instance, there: Receiver, start: Start) -> None:
    hook(shop, there.url("/away/2"))
    start()
    (event_id,) = happen(shop, "a")
    requests = wait(lambda: len(there.at("/away/2")) == 3 and there.at("/away/2"))
    assert {(request.headers["webhook-id"], request.body) for request in requests} == {(event_id, requests[0].body)}
    waits = [later.began - earlier.began for earlier, later in itertools.pairwise(requests)]
    assert waits[0] >= 0.15, "the first wait is 0.2 s, a fifth more or less"
    assert waits[1] >= 0.3, "and doubles"
    wait(lambda: list(Attempt.objects.values_list("status", flat=True)) == [503, 503, 200])


def test_whoever_is_slow_holds_nobody_else_up(shop: Instance, there: Receiver, start: Start) -> None:
    """Beside receivers that sleep, drip, fail or are not there, each event of the others comes at once."""
    for path in ("/sleep/30", "/drip", "/fail", "/redirect"):
        hook(shop, there.url(path))
    hook(shop, "http://127.0.0.1:9/")
    quick = hook(shop, there.url("/ok"))
    patience = 6.0
    happen(shop, *map(str, range(10)))  # More at once than may be under way to one address.
    start(WEBHOOK_TIMEOUT_SECONDS=str(patience)).wait_ready()
    wait(lambda: len(there.ids("/ok")) == 10)
    late = []
    for number in range(10, 20):
        began = time.monotonic()
        (event_id,) = happen(shop, str(number))
        wait(lambda event_id=event_id: event_id in there.ids("/ok"), 30)  # type: ignore[misc]
        late.append(time.monotonic() - began)
    # Whoever waited for one that is slow would wait for all of its time.
    assert sorted(late)[7] < patience / 3, late
    for path in ("/sleep/30", "/drip"):
        began_at = [request.began for request in there.at(path)]
        at_once = max(sum(0 <= one - other < patience - 1 for other in began_at) for one in began_at)
        assert at_once <= 4, "and no more requests at once than WEBHOOK_CONCURRENCY"
    wait(lambda: Delivery.objects.filter(webhook=quick, state=Delivery.State.DELIVERED).count() == 20)
    errors = wait(
        lambda: len(found := set(Attempt.objects.exclude(error="").values_list("error", flat=True))) >= 3 and found
    )
    assert "It did not answer within 6 seconds." in errors
    assert "It redirects, which is not followed. Give the address it redirects to." in errors
    assert not [request for request in there.at("/ok") if request.event["data"]["name"] not in map(str, range(20))]


def test_events_of_one_chat_keep_their_order(shop: Instance, there: Receiver, start: Start) -> None:
    hook(shop, there.url("/sleep/0.05"))
    ids = happen(shop, *map(str, range(12)), chat="one")
    happen(shop, *(f"x{number}" for number in range(12)), chat="other")
    start()
    wait(lambda: len(there.at("/sleep/0.05")) == 24 and there.at("/sleep/0.05")[-1].ended)
    mine = [request for request in there.at("/sleep/0.05") if request.headers["webhook-id"] in ids]
    assert [request.headers["webhook-id"] for request in mine] == ids
    assert all(earlier.ended <= later.began for earlier, later in itertools.pairwise(mine))


def test_an_address_that_keeps_failing_is_given_a_rest(shop: Instance, there: Receiver, start: Start) -> None:
    failing = hook(shop, there.url("/fail"))
    start()
    happen(shop, *map(str, range(30)))
    wait(lambda: Webhook.objects.get(pk=failing.pk).resting)
    time.sleep(0.5)
    came = len(there.at("/fail"))
    assert came < 12, "it is left alone"
    # The rest is over, and it works again: one event first, then all that waited.
    there.answers["/fail"] = 200
    Webhook.objects.filter(pk=failing.pk).update(resting_until=timezone.now())
    wait(lambda: Delivery.objects.filter(state=Delivery.State.DELIVERED).count() == 30)
    failing.refresh_from_db()
    assert (failing.failures, failing.resting_until) == (0, None)


def test_what_is_given_up_can_be_sent_again(shop: Instance, there: Receiver, start: Start) -> None:
    failing = hook(shop, there.url("/fail"))
    start(WEBHOOK_RETRY_HOURS=str(0.5 / 3600))
    (event_id,) = happen(shop, "a")
    wait(lambda: Delivery.objects.filter(state=Delivery.State.DEAD))
    there.answers["/fail"] = 200
    assert webhooks.resend(failing.deliveries.all()) == 1
    wait(lambda: Delivery.objects.filter(state=Delivery.State.DELIVERED))
    assert set(there.ids("/fail")) == {event_id}


def test_paused(shop: Instance, there: Receiver, start: Start) -> None:
    paused = hook(shop, there.url("/ok"))
    webhooks.change(paused, active=False)
    start()
    ids = happen(shop, "a")
    wait(lambda: Delivery.objects.exists())
    time.sleep(0.5)
    assert there.requests == []
    webhooks.change(paused, active=True)
    assert wait(lambda: there.ids("/ok")) == ids


def test_a_worker_that_is_told_to_stop_ends_what_is_under_way(shop: Instance, there: Receiver, start: Start) -> None:
    # Long enough to tell it before the first of them is answered.
    hook(shop, there.url("/sleep/3"))
    worker = start()
    happen(shop, "a", "b", "c", "d", "e", "f", "g", "h")
    wait(lambda: len(there.at("/sleep/3")) == 4)
    assert worker.stop() == 0
    assert len(there.at("/sleep/3")) == 4
    assert Attempt.objects.filter(status=200).count() == 4
    assert Delivery.objects.filter(state=Delivery.State.PENDING).count() == 4
    start()
    wait(lambda: Delivery.objects.filter(state=Delivery.State.DELIVERED).count() == 8)
    assert max(Counter(there.ids("/sleep/3")).values()) == 1, "nothing came twice"


def test_two_workers_share_and_nothing_comes_twice(shop: Instance, there: Receiver, start: Start) -> None:
    paths = [f"/ok/{number}" for number in range(6)]
    for path in paths:
        hook(shop, there.url(path))
    for worker in [start(), start()]:
        worker.wait_ready()
    ids = happen(shop, *map(str, range(40)))
    wait(lambda: Delivery.objects.filter(state=Delivery.State.DELIVERED).count() == 240)
    assert all(sorted(there.ids(path)) == sorted(ids) for path in paths)


def test_no_event_is_lost_with_a_worker(shop: Instance, there: Receiver, start: Start) -> None:
    """kill -9 in the middle, twice, while events keep coming."""
    hook(shop, there.url("/sleep/0.02"))
    hook(shop, there.url("/ok"))
    ids: list[str] = []
    for number in range(2):
        worker = start().wait_ready()
        ids += happen(shop, *(f"{number} {name}" for name in range(40)))
        wait(lambda: len(set(there.ids("/sleep/0.02"))) > len(ids) - 35, log=lambda: worker.log)  # noqa: B023
        worker.kill()
    ids += happen(shop, "while none was there")
    start()
    wait(lambda: set(there.ids("/sleep/0.02")) == set(ids) == set(there.ids("/ok")), 120)
    wait(lambda: not Delivery.objects.filter(state=Delivery.State.PENDING))


class OwnNats:
    """A nats-server that can be killed and started again at the same address, with what it kept or without."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = nats.configure(folder)
        self.begin()

    def begin(self) -> None:
        self.process = subprocess.Popen(self.server.spec.command, stdin=subprocess.DEVNULL)
        wait(self.server.ready)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.mark.parametrize("kept", [True, False])
def test_no_event_is_lost_with_nats(shop: Instance, there: Receiver, start: Start, tmp_path: Path, kept: bool) -> None:
    server = OwnNats(tmp_path / "nats")
    try:
        hook(shop, there.url("/sleep/0.02"))
        worker = start(server.server.url).wait_ready()
        ids = happen(shop, *map(str, range(60)))
        wait(lambda: len(there.at("/sleep/0.02")) > 10, log=lambda: worker.log)
        server.kill()
        ids += happen(shop, *(f"meanwhile {number}" for number in range(20)))
        if not kept:
            (server.folder / "jetstream").rename(tmp_path / "lost")
        server.begin()
        ids += happen(shop, "after")
        wait(lambda: set(there.ids("/sleep/0.02")) == set(ids), 120, lambda: worker.log)
    finally:
        server.kill()


def test_what_is_old_is_forgotten(shop: Instance, there: Receiver) -> None:
    webhook = hook(shop, there.url("/ok"))
    happen(shop, "old", "new")
    book.hand_out()
    long_ago = timezone.now() - timedelta(days=15)
    old = webhook.deliveries.order_by("pk")[0]
    book.note(old, book.Outcome(200, 5))
    Delivery.objects.filter(pk=old.pk).update(settled_at=long_ago)
    OutgoingEvent.objects.filter(pk=old.event_id).update(at=long_ago)
    assert book.forget_old() == 1
    assert [event.uid for event in OutgoingEvent.objects.all()] == [webhook.deliveries.get().event.uid]
    assert not Attempt.objects.exists()
