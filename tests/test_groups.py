"""Which groups WhatsApp is asked about, and how often; the library is played."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError
from django.utils import timezone

from chats.intake import take_in
from chats.models import Chat, Message
from instances.models import Instance
from instances.whatsapp import database, groups
from instances.whatsapp.events import GroupChanged, Party, Target
from instances.whatsapp.groups import Groups
from tests.test_intake import BOB_LID, GROUP, START, arrived, make_instance

pytestmark = pytest.mark.django_db(transaction=True)

OTHER, THIRD = "120363000000000002@g.us", "120363000000000003@g.us"


class House:
    """One instance's groups, with a client that knows what `known` says."""

    def __init__(self, instance: Instance) -> None:
        self.asked: list[str] = []
        self.known: dict[str, GroupChanged | Exception] = {}
        self.stored: list[GroupChanged] = []
        self.client: Any = mock.Mock(group=self._group)
        self.groups = Groups(instance, lambda: self.client, lambda _, change: self.stored.append(change))

    def _group(self, jid: str) -> GroupChanged | None:
        self.asked.append(jid)
        told = self.known.get(jid)
        if isinstance(told, Exception):
            raise told
        return told


@pytest.fixture
def instance(db: None, monkeypatch: pytest.MonkeyPatch) -> Instance:
    monkeypatch.setattr(groups, "PAUSE_SECONDS", 0.0)
    return make_instance()


def run(instance: Instance, work: Callable[[House], Awaitable[None]]) -> None:
    async def go() -> None:
        await work(House(instance))

    asyncio.run(go())


def test_what_is_not_known(instance: Instance) -> None:
    """Those without a name; and where somebody waits for it to be known who the admins are, first."""
    in_group: dict[str, Any] = {"is_group": True, "sent_at": timezone.now()}
    take_in(instance, [arrived(jid, chat=Party(jid), **in_group) for jid in (GROUP, OTHER, THIRD)])
    Chat.objects.exclude(jid=THIRD).update(name="Sales")
    of_bobs = Target(GROUP, by_same_author=False, participant=BOB_LID)
    carla = Party("1003@lid")
    take_in(instance, [arrived("D", chat=Party(GROUP), sender=carla, kind="delete", target=of_bobs, **in_group)])
    assert groups._unknown(instance) == [GROUP, THIRD]
    Message.objects.update(sent_at=timezone.now() - timedelta(days=60))
    assert groups._unknown(instance) == [THIRD]
    Message.objects.update(sent_at=timezone.now())
    Chat.objects.update(name="Sales", admins=[])
    assert groups._unknown(instance) == []


def test_what_it_says_is_stored(instance: Instance) -> None:
    async def work(house: House) -> None:
        told = house.known[GROUP] = GroupChanged(GROUP, START, name="Sales")
        await house.groups.unknown(GROUP)
        assert (house.asked, house.stored) == ([GROUP], [told])
        await house.groups.connected()
        assert house.asked == [GROUP]

    run(instance, work)


@pytest.mark.parametrize("fault", [None, ValueError("a fault of ours")])
def test_one_of_which_it_says_nothing_is_asked_about_by_a_few_connections(instance: Instance, fault: Any) -> None:
    async def work(house: House) -> None:
        if fault is not None:
            house.known[OTHER] = fault
        house.known[THIRD] = GroupChanged(THIRD, START, name="Sales")
        await asyncio.to_thread(Chat.objects.create, instance=instance, jid=OTHER, kind=Chat.Kind.GROUP)
        for number in range(5):
            await house.groups.connected()
            assert house.asked == [OTHER] * min(number + 1, groups.TIMES)
        await house.groups.unknown(THIRD)
        assert house.asked[groups.TIMES :] == [THIRD]
        await house.groups.unknown(OTHER)
        assert house.asked[groups.TIMES :] == [THIRD, OTHER], "there is news of it"

    run(instance, work)


def test_those_that_come_while_it_is_off_the_air(instance: Instance) -> None:
    async def work(house: House) -> None:
        client, house.client = house.client, None
        await house.groups.unknown(GROUP)
        assert not house.asked
        house.client = client
        await house.groups.connected()
        assert house.asked == [GROUP]

    run(instance, work)


def test_it_looks_again_when_the_database_was_away(instance: Instance) -> None:
    async def work(house: House) -> None:
        await asyncio.to_thread(Chat.objects.create, instance=instance, jid=OTHER, kind=Chat.Kind.GROUP)
        with mock.patch.object(database, "call", side_effect=OperationalError("away")):
            await house.groups.connected()
        assert not house.asked
        await house.groups.unknown(GROUP)
        assert house.asked == [GROUP, OTHER]

    run(instance, work)


def test_where_groups_are_ignored(instance: Instance) -> None:
    async def work(house: House) -> None:
        await asyncio.to_thread(Chat.objects.create, instance=instance, jid=OTHER, kind=Chat.Kind.GROUP)
        instance.ignore_groups = True
        await house.groups.connected()
        assert not house.asked

    run(instance, work)
