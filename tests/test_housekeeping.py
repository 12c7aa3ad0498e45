"""What the connector does now and then."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from chats import pinbook
from chats.models import Message, Pin
from chats.pinbook import Asker, Wish
from instances.models import Account, Instance
from instances.whatsapp import housekeeping
from tests.test_pins import make_message


@pytest.fixture
def instance(db: None) -> Instance:
    return Instance.objects.create(account=Account.objects.create(name="Alice"), name="shop")


def test_it_works(instance: Instance) -> None:
    long_ago = timezone.now() - timedelta(days=2)
    expired, stale = make_message(instance, "3EB01"), make_message(instance, "3EB02")
    pinbook.seen(expired, Wish(86_400), actor="Bob", at=long_ago, stanza_id="3EB0A")
    pinbook.open_attempt(stale, Wish(86_400), Asker("Alice"), timezone.now() - timedelta(seconds=1))
    housekeeping.run(0)
    assert Pin.objects.get(message=expired).state == Pin.State.EXPIRED
    assert Pin.objects.get(message=stale).state == Pin.State.UNKNOWN


def test_messages_go_when_their_time_is_over(instance: Instance) -> None:
    Instance.objects.update(keep_days=30)
    make_message(instance, "3EB01", sent_at=datetime(2020, 1, 1, tzinfo=UTC))
    make_message(instance, "3EB02", sent_at=timezone.now())
    housekeeping.run(60)
    assert [message.message_id for message in Message.objects.all()] == ["3EB02"]


def test_not_at_every_tick(instance: Instance) -> None:
    stale = make_message(instance, "3EB02")
    pinbook.open_attempt(stale, Wish(86_400), Asker("Alice"), timezone.now() - timedelta(seconds=1))
    housekeeping.run(7)
    assert Pin.objects.get().state == Pin.State.REQUESTED


@pytest.mark.parametrize("error", [DatabaseError, OverflowError, RuntimeError])
def test_a_job_that_fails_does_not_keep_the_others(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: type[Exception]
) -> None:
    """Was red: what was no fault of the database ended the round, and so did no job behind it ever again."""
    done: list[str] = []

    def failing() -> int:
        raise error

    def working() -> int:
        done.append("done")
        return 1

    monkeypatch.setattr(housekeeping, "JOBS", ((1, failing), (1, working)))
    housekeeping.run(1)
    assert done == ["done"]
    assert "failing was not done; it is tried again" in caplog.messages
