"""A plan that is made at the very moment at which its message is forgotten: it is reported, or it is refused."""

from concurrent.futures import Future
from datetime import timedelta
from threading import Event as Signal

import pytest
from django.db import connection, transaction
from django.utils import timezone

from chats.errors import MessageNotFound
from chats.models import LostSchedule, Message, Schedule
from chats.pinbook import Asker
from chats.schedule import losing, wish
from chats.schedule.wish import Wanted
from chats.search.retention import forget_old
from instances.models import Account, Instance
from portal.models import AuditLine
from tests.beside import SECONDS, beside
from tests.test_pins import make_message

pytestmark = pytest.mark.django_db(transaction=True)
two_at_once = pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite's transactions exclude each other")


@pytest.fixture
def message() -> Message:
    """One that is too old to be kept."""
    account = Account.objects.create(name="Alice")
    instance = Instance.objects.create(account=account, name="shop", keep_days=30)
    return make_message(instance, "3EB01", sent_at=timezone.now() - timedelta(days=40))


def plan(message: Message) -> Schedule:
    return wish.make(message, Wanted(stay=True), Asker("Alice"))


def test_a_message_that_is_gone(message: Message) -> None:
    """Was red: the database refused the plan, which was a fault of ours to whoever asked for it."""
    assert forget_old() == 1
    with pytest.raises(MessageNotFound):
        plan(message)


@two_at_once
def test_a_plan_that_is_just_being_written_down(message: Message) -> None:
    """Was red: the deletion failed at its end, and all of its batch stayed until the next time."""
    written, go_on = Signal(), Signal()

    def slowly() -> None:
        with transaction.atomic():
            plan(message)
            written.set()
            assert go_on.wait(SECONDS)

    with beside() as threads:
        try:
            planning = threads.begin(slowly)
            assert written.wait(SECONDS)
            forgetting = threads.begin(forget_old)
            threads.until_it_waits(forgetting)
        finally:
            go_on.set()
        planning.result(SECONDS)
        assert forgetting.result(SECONDS) == 1
    assert not Schedule.objects.exists()
    assert LostSchedule.objects.get().called == "3EB01"
    assert AuditLine.objects.get(action="schedule lost").target == "shop: 3EB01"


@two_at_once
def test_a_plan_that_comes_when_it_has_been_looked_for(message: Message, monkeypatch: pytest.MonkeyPatch) -> None:
    """Was red: the caller heard 200, and the plan went with its message and without a word."""
    looked = losing.lose
    planning: list[Future[Schedule]] = []
    with beside() as threads:

        def lose(keys: list[int]) -> int:
            found = looked(keys)
            planning.append(threads.begin(lambda: plan(message)))
            threads.until_it_waits(planning[0])
            return found

        monkeypatch.setattr(losing, "lose", lose)
        assert forget_old() == 1
        with pytest.raises(MessageNotFound):
            planning[0].result(SECONDS)
