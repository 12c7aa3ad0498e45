"""Instances of which no connector is left: somebody says so, and nobody too early."""

from uuid import uuid4

import pytest
from django.db.models import F
from django.utils import timezone

from instances.events.models import OutgoingEvent
from instances.leases import TOLD_AT_ONCE
from instances.models import Account, Connector, Instance
from instances.states import State
from instances.whatsapp.unattended import BLINK_SECONDS, LOOK_SECONDS, SILENT_SECONDS, Unattended
from tests.nats_server import nats_process
from tests.test_leases import Clock
from tests.worker_process import WorkerProcess, wait


@pytest.fixture
def instance(db: None) -> Instance:
    account = Account.objects.create(name="Alice")
    return Instance.objects.create(
        account=account, name="shop", owner="one", epoch=3, state=State.CONNECTED, wanted_events="instance.state"
    )


def looks(watch: Unattended, clock: Clock, seconds: float) -> int:
    """As often as a worker would in so many seconds; how many instances were told of."""
    told = 0
    for _ in range(round(seconds / LOOK_SECONDS)):
        clock.now += LOOK_SECONDS
        told += len(watch.look())
    return told


def connector() -> Connector:
    return Connector.objects.create(name="one", run=uuid4(), store="here", held={}, seen_at=timezone.now())


def test_a_state_says_that_no_connector_is_left(instance: Instance) -> None:
    """Was red: it was connected for ever, and its pins heard that it was not."""
    connector()
    clock = Clock(1000.0)
    watch = Unattended(clock)
    assert watch.look() == []
    assert looks(watch, clock, SILENT_SECONDS - LOOK_SECONDS) == 0
    assert looks(watch, clock, LOOK_SECONDS) == 1
    instance.refresh_from_db()
    assert instance.state == State.UNPLACED
    assert not Connector.objects.exists(), "it enters anew, should it wake up"
    assert instance.sentence.startswith("No connector is running")
    assert OutgoingEvent.objects.count() == 1
    assert looks(watch, clock, SILENT_SECONDS) == 0, "once"


def test_one_that_lives_is_enough(instance: Instance) -> None:
    connector()
    clock = Clock(1000.0)
    watch = Unattended(clock)
    for _ in range(20):
        Connector.objects.update(beat=F("beat") + 1)
        assert looks(watch, clock, SILENT_SECONDS - LOOK_SECONDS) == 0


def test_there_never_was_one(instance: Instance) -> None:
    clock = Clock(1000.0)
    watch = Unattended(clock)
    watch.look()
    assert looks(watch, clock, SILENT_SECONDS) == 1


def test_who_did_not_look_has_seen_nothing(instance: Instance) -> None:
    """The database was away, and connectors beat in it; or the worker itself stood still."""
    connector()
    clock = Clock(1000.0)
    watch = Unattended(clock)
    watch.look()
    for _ in range(5):
        clock.now += BLINK_SECONDS + 1
        assert watch.look() == []
        assert looks(watch, clock, SILENT_SECONDS - LOOK_SECONDS) == 0


@pytest.mark.parametrize("state", [State.PAUSED, State.LOGGED_OUT, State.BANNED, State.REPLACED])
def test_what_a_person_must_do_first_is_still_said(instance: Instance, state: State) -> None:
    Instance.objects.update(state=state)
    clock = Clock(1000.0)
    watch = Unattended(clock)
    watch.look()
    assert looks(watch, clock, SILENT_SECONDS) == 0


def test_many_are_told_of_bit_by_bit(instance: Instance) -> None:
    Instance.objects.bulk_create(
        Instance(account=instance.account, name=f"shop {number}", state=State.CONNECTED)
        for number in range(TOLD_AT_ONCE)
    )
    clock = Clock(1000.0)
    watch = Unattended(clock)
    watch.look()
    assert looks(watch, clock, SILENT_SECONDS) == TOLD_AT_ONCE
    assert looks(watch, clock, LOOK_SECONDS) == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_looks(tmp_path_factory: pytest.TempPathFactory) -> None:
    account = Account.objects.create(name="Alice")
    shop = Instance.objects.create(account=account, name="shop", owner="one", epoch=3, state=State.CONNECTED)
    with nats_process(tmp_path_factory.mktemp("nats")) as (url, _):
        worker = WorkerProcess(url, LEASE_SECONDS="0.4").wait_ready()
        try:
            wait(lambda: Instance.objects.get(pk=shop.pk).state == State.UNPLACED, log=lambda: worker.log)
        finally:
            assert worker.stop() == 0
