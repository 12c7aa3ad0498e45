"""A session while the database, the lease or the time fails it; what is the library's and NATS's is played."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, cast
from unittest import mock

import psycopg
import pytest
from django.db import DataError, OperationalError
from django.utils import timezone

from chats.intake import take_in
from chats.models import Chat
from instances import proxies
from instances.models import Instance
from instances.states import State
from instances.whatsapp import commands, database, keys, line, recording, session
from instances.whatsapp import events as ev
from instances.whatsapp.outage import Outage
from instances.whatsapp.session import Session
from tests.test_intake import arrived, make_instance

pytestmark = pytest.mark.django_db(transaction=True)

CONNECTED = ev.Connected("5511900000001@s.whatsapp.net", "1001@lid", "Ana")
CALL = database.call


class FakeClient:
    """neonize's place."""

    made: "list[FakeClient]" = []
    may_start = threading.Event()
    may_stop = threading.Event()

    def __init__(self, *_: Any) -> None:
        self.left = self.stopped = False
        self.made.append(self)

    def start(self) -> None:
        assert self.may_start.wait(60)

    def leave(self) -> None:
        self.left = True

    def stop(self) -> None:
        self.stopped = True
        assert self.may_stop.wait(60)


class House:
    """A connector with one instance, whose lease is good until the test says otherwise."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.holds = True
        self.pool = ThreadPoolExecutor(4)
        lease = mock.MagicMock()
        lease.holds = lambda *_: self.holds
        lease.store = "here"
        writer, history, ticks = (mock.MagicMock() for _ in range(3))
        self.session = Session(instance, lease, self.pool, writer, history, ticks, Outage())

    def give_client(self) -> Any:
        self.session._line.client = client = cast(Any, FakeClient())
        return client

    async def ticks(self, until: Callable[[], Any]) -> None:
        """As the connector does, but quicker."""
        limit = time.monotonic() + 60
        while not until():
            assert time.monotonic() < limit
            if self.session.due:
                await self.session.tick()
            await asyncio.sleep(0.02)


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    FakeClient.made = []
    FakeClient.may_start, FakeClient.may_stop = threading.Event(), threading.Event()
    FakeClient.may_start.set()
    FakeClient.may_stop.set()
    monkeypatch.setattr(line, "Client", FakeClient)
    monkeypatch.setattr(line, "BACKOFF_SECONDS", (0.05,))
    for module in (session, recording):
        monkeypatch.setattr(module, "broker", lambda: mock.MagicMock(publish_async=told, subscribe=listening))
    yield
    FakeClient.may_start.set()
    FakeClient.may_stop.set()


async def told(*_: Any) -> None:
    pass


async def listening(*_: Any) -> Callable[[], Awaitable[None]]:
    return told


def run(work: Callable[[House], Awaitable[None]]) -> None:
    """On a loop, as the connector's."""

    instance = make_instance()

    async def go() -> None:
        house = House(instance)
        try:
            await work(house)
        finally:
            FakeClient.may_stop.set()
            await house.session.end()
            house.pool.shutdown()

    asyncio.run(go())


async def until(true: Callable[[], Any]) -> None:
    limit = time.monotonic() + 60
    while not true():
        assert time.monotonic() < limit
        await asyncio.sleep(0.01)


async def beside(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """On a thread of its own, which gives its connection back: PostgreSQL's pool has twenty."""
    return await asyncio.to_thread(CALL, work, *args, **kwargs)


def row() -> Any:
    return Instance.objects.values_list("state", "jid", "key_store").get


async def ask(house: House, verb: str) -> Any:
    """What the caller of a command hears."""
    payload = commands.Change(deadline=time.time() + 60).to_payload()
    return await house.session._command(f"instance.x.{verb}", payload)


@pytest.mark.parametrize("by", ["itself", "asking", commands.PREFERENCES, commands.CONNECT])
def test_a_start_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """Was red: nothing tried again, and the instance stayed off the air until somebody pressed Connect."""
    real, failures = keys.prepare, [psycopg.OperationalError("the database is away")] * 2

    def prepare(uid: Any) -> str:
        if failures:
            raise failures.pop()
        return real(uid)

    def refresh(instance: Instance, **_: Any) -> None:
        instance.proxy_url = "http://127.0.0.1:3128"

    monkeypatch.setattr(keys, "prepare", prepare)
    monkeypatch.setattr(keys, "forget_ratchets", lambda *_: None)
    monkeypatch.setattr(proxies, "address_of", lambda _: "")
    monkeypatch.setattr(Instance, "refresh_from_db", refresh)

    async def work(house: House) -> None:
        if by in ("asking", commands.PREFERENCES):
            assert house.give_client()
        if by == "itself":
            house.session._line.start_in(0)
        elif by == "asking":
            house.session._ask_soon()
        else:
            payload = commands.Change(deadline=time.time() + 5).to_payload()
            assert "error" not in (await house.session._command(f"instance.x.{by}", payload) or {})
        await house.ticks(lambda: not failures and house.session._line.client)
        assert len([client for client in FakeClient.made if not client.stopped]) == 1

    run(work)


def test_whether_a_message_is_stored() -> None:
    """Was red: of an id that no database takes it was asked without end, or the message asked for again and again."""

    async def work(house: House) -> None:
        await beside(take_in, house.instance, [arrived("A\0")])
        assert await beside(house.session._is_stored, "A\0")
        assert not await beside(house.session._is_stored, "B\0")
        for refused in (DataError("no"), ValueError("no")):
            with mock.patch.object(database, "call", side_effect=refused):
                assert not house.session._is_stored("C")
        with mock.patch.object(database, "call", side_effect=OperationalError("away")), pytest.raises(OperationalError):
            house.session._is_stored("C")

    run(work)


def test_groups_that_nobody_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """Was red: who was killed before it asked, or off the air at that moment, left them without a name."""
    groups: list[str] = []

    async def work(house: House) -> None:
        client = house.give_client()
        client.group = groups.append
        await beside(Chat.objects.create, instance=house.instance, jid="1@g.us", kind=Chat.Kind.GROUP)
        await house.session.learn_group("2@g.us")
        assert not groups, "it is not connected"
        await house.session._on(CONNECTED)
        await until(lambda: len(groups) == 2)
        assert set(groups) == {"1@g.us", "2@g.us"}
        await house.session.learn_group("3@g.us")
        assert groups[2:] == ["3@g.us"]

    run(work)


def test_a_fault_beside_everything_else_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Was red: it was heard of when the process ended, if at all."""

    async def fail() -> None:
        raise ValueError("a fault of ours")

    async def work(house: House) -> None:
        house.session._spawn(fail())
        await until(lambda: f"instance {house.instance.uid}: a fault of ours" in caplog.text)

    run(work)


def test_what_is_known_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Was red: the state was never written, and every pin was refused although the client was connected."""
    real, away = database.call, True

    def call(work: Any, *args: Any, **fields: Any) -> Any:
        if away:
            raise OperationalError("away")
        return real(work, *args, **fields)

    monkeypatch.setattr(database, "call", call)

    async def work(house: House) -> None:
        nonlocal away
        client = house.give_client()
        await house.session._on(CONNECTED)
        assert house.session._ready_for(house.instance.epoch) is client
        assert house.session.due
        away = False
        await house.ticks(lambda: not house.session.due)
        stored = await beside(row())
        assert stored == (State.CONNECTED, CONNECTED.jid, "here")

    run(work)


def test_a_client_that_gave_up_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(house: House) -> None:
        with mock.patch.object(database, "call", side_effect=OperationalError("away")):
            await house.session._on(ev.Stopped("gone"))
        await house.ticks(lambda: house.session._line.client)

    run(work)


def test_a_session_that_ends_while_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Was red: its subscription stayed, and a connection was made."""
    asked, answers, ended = asyncio.Event(), asyncio.Event(), mock.AsyncMock()

    async def subscribe(*_: Any) -> Callable[[], Awaitable[None]]:
        asked.set()
        await answers.wait()
        return ended

    monkeypatch.setattr(session, "broker", lambda: mock.MagicMock(subscribe=subscribe))

    async def work(house: House) -> None:
        house.instance.state = State.CONNECTED
        beginning = asyncio.create_task(house.session.begin())
        await asked.wait()
        await house.session.end()
        answers.set()
        await beginning
        assert ended.await_count == 1
        assert not FakeClient.made
        assert not house.session._tasks

    run(work)


def test_a_session_that_ends_while_its_client_starts() -> None:
    """Was red: nobody stopped the client, and one device had two connections."""

    async def work(house: House) -> None:
        FakeClient.may_start.clear()
        house.session._line.start_in(0)
        starting = asyncio.create_task(house.session.tick())
        await until(lambda: FakeClient.made)
        ending = asyncio.create_task(house.session.end())
        await asyncio.sleep(0.1)
        assert not ending.done()
        FakeClient.may_start.set()
        await asyncio.gather(starting, ending)
        assert [client.stopped for client in FakeClient.made] == [True]

    run(work)


@pytest.mark.parametrize("then", [commands.CONNECT, "the end"])
def test_what_follows_while_a_client_is_let_go(then: str) -> None:
    """Was red: the next one began beside it, with the same keys."""

    async def work(house: House) -> None:
        client = house.give_client()
        FakeClient.may_stop.clear()
        going = asyncio.create_task(house.session.stand_down())
        await until(lambda: client.stopped)
        following = asyncio.create_task(house.session.end() if then == "the end" else ask(house, then))
        await asyncio.sleep(0.2)
        assert FakeClient.made == [client]
        assert not following.done()
        FakeClient.may_stop.set()
        await asyncio.gather(going, following)
        assert len(FakeClient.made) == (1 if then == "the end" else 2)
        assert not house.session._line.waits

    run(work)


@pytest.mark.parametrize("lost", ["the lease", "the session"])
def test_a_client_that_waits_for_its_turn_to_start(monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    """Was red: it dialled when its turn came, whoever held the instance by then."""
    busy = threading.Event()
    starters = ThreadPoolExecutor(1)
    starters.submit(busy.wait, 10)
    monkeypatch.setattr(line, "_STARTERS", starters)

    async def work(house: House) -> None:
        house.session._line.start_in(0)
        starting = asyncio.create_task(house.session.tick())
        await until(house.session._line._starting.locked)
        if lost == "the lease":
            house.holds = False
        else:
            house.session._line.closing = True
        busy.set()
        await starting
        assert not FakeClient.made
        assert house.session._line.due, "it is due as soon as the lease is good again"

    run(work)


@pytest.mark.parametrize(("epoch", "deleted"), [(0, True), (1, False)])
def test_keys_that_may_be_another_owners(monkeypatch: pytest.MonkeyPatch, epoch: int, deleted: bool) -> None:
    """Was red: who woke up deleted the keys that had been made anew meanwhile."""
    forgotten: list[Any] = []
    monkeypatch.setattr(keys, "forget", forgotten.append)

    async def work(house: House) -> None:
        await beside(Instance.objects.update, epoch=epoch)
        await house.session._on(ev.LoggedOut(""))
        assert bool(forgotten) is deleted
        assert bool((await beside(row()))[1]) is not deleted

    run(work)


@pytest.mark.parametrize("by", ["whatsapp", commands.LOGOUT])
def test_keys_of_who_stood_still_with_its_row(monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """Was red: PostgreSQL had given the row to others meanwhile, and the keys that were made anew were deleted.

    And whoever logged out heard that it was done.
    """
    forgotten: list[Any] = []
    monkeypatch.setattr(keys, "forget", forgotten.append)

    async def work(house: House) -> None:
        mine = house.session._record.mine

        def standing_still() -> Any:
            rows = mine()
            update = rows.update

            def slowly(**fields: Any) -> int:
                found = update(**fields)
                house.holds = False
                return found

            rows.update = slowly  # type: ignore[method-assign]
            return rows

        monkeypatch.setattr(house.session._record, "mine", standing_still)
        if by == "whatsapp":
            await house.session._on(ev.LoggedOut(""))
        else:
            assert (await ask(house, by))["error"] == "NotConnected"
        assert not forgotten
        assert (await beside(row()))[1], "nor does its row say that there are none"
        assert house.instance.linked is (by != "whatsapp"), "the library has deleted what WhatsApp unlinked"

    run(work)


@pytest.mark.parametrize("verb", [commands.CONNECT, commands.DISCONNECT, commands.LOGOUT])
def test_a_change_of_a_row_that_is_anothers(monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    """Was red: it was said to be done, and the new owner connected what had been disconnected, or was deleted."""
    monkeypatch.setattr(keys, "forget", mock.Mock(side_effect=AssertionError("another's keys")))

    async def work(house: House) -> None:
        house.give_client()
        await beside(Instance.objects.update, epoch=7)
        assert (await ask(house, verb))["error"] == "NotConnected"

    run(work)


def test_what_is_learnt_of_a_row_that_is_anothers() -> None:
    async def work(house: House) -> None:
        house.give_client()
        await beside(Instance.objects.update, epoch=7)
        await house.session._on(CONNECTED)
        assert not house.session._record.waits, "it is the other one's to write"

    run(work)


def test_how_far_the_former_phones_history_was_is_forgotten() -> None:
    """Was red: the next phone's began at its percentage."""

    async def work(house: House) -> None:
        instance: Any = house.instance
        instance.history_percent = 80
        await beside(Instance.objects.update, history_percent=80)
        await house.session._on(ev.LoggedOut(""))
        assert instance.history_percent is None
        assert await beside(Instance.objects.values_list("history_percent", flat=True).get) is None

    run(work)


def test_keys_without_a_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[Any] = []
    monkeypatch.setattr(keys, "forget", forgotten.append)

    async def work(house: House) -> None:
        house.holds = False
        await house.session._on(ev.LoggedOut(""))
        assert not forgotten
        assert (await beside(row()))[1], "nor does its row say that there are none"

    run(work)


@pytest.mark.parametrize("verb", [commands.CONNECT, commands.LOGOUT, commands.DISCONNECT, commands.PREFERENCES])
def test_a_change_whose_caller_has_given_up(verb: str) -> None:
    """Was red: it waited for its turn, and was carried out after its caller had heard that it failed."""

    async def work(house: House) -> None:
        client = house.give_client()
        payload = commands.Change(deadline=time.time() + 0.2).to_payload()
        async with house.session._line.turn:
            asked = asyncio.create_task(house.session._command(f"instance.x.{verb}", payload))
            await asyncio.sleep(0.4)
        assert await asked == {"error": "NotConnected", "text": "WhatsApp client is not connected"}
        assert not client.stopped
        assert len(FakeClient.made) == 1

    run(work)


@pytest.mark.parametrize("end", [commands.DISCONNECT, commands.LOGOUT, "unlinked", "replaced", "at its turn"])
def test_what_was_ended_does_not_come_by_itself(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """Was red: the client that was to follow a break came all the same; of an unlinked instance it showed codes."""
    monkeypatch.setattr(keys, "forget", lambda _: None)
    monkeypatch.setattr(session, "RESTART_SECONDS", 0.2)

    async def work(house: House) -> None:
        house.give_client()
        house.session._lease.met_others = False
        await house.session._on(ev.Disconnected())
        payload = commands.Change(deadline=time.time() + 5).to_payload()
        if end == "unlinked":
            await house.session._on(ev.LoggedOut(""))
        elif end == "replaced":
            await house.session._on(ev.Replaced())
        elif end == "at its turn":
            async with house.session._line.turn:
                asked = asyncio.create_task(house.session._command(f"instance.x.{commands.DISCONNECT}", payload))
                await asyncio.sleep(0.3)
                ticking = asyncio.create_task(house.session.tick())
                await asyncio.sleep(0.1)
            await asyncio.gather(asked, ticking)
        else:
            assert "error" not in (await house.session._command(f"instance.x.{end}", payload) or {})
        state = house.instance.state
        await asyncio.sleep(0.3)
        assert not house.session.due
        await house.session.tick()
        assert (len(FakeClient.made), house.instance.state) == (1, state)

    run(work)


@pytest.mark.parametrize(
    ("event", "verb", "state"),
    [
        (None, commands.DISCONNECT, State.PAUSED),
        (None, commands.LOGOUT, State.UNLINKED),
        (ev.Stopped("gone"), commands.DISCONNECT, State.PAUSED),
        (ev.Replaced(), commands.DISCONNECT, State.PAUSED),
        (ev.Banned("spam", 60), commands.DISCONNECT, State.PAUSED),
        (ev.Outdated(), commands.DISCONNECT, State.PAUSED),
        (ev.QrEnded("the code ran out"), commands.DISCONNECT, State.PAUSED),
    ],
)
def test_what_is_ended_while_its_client_is_let_go(
    monkeypatch: pytest.MonkeyPatch, event: ev.Event | None, verb: str, state: State
) -> None:
    """Was red: it came back by itself, and said so; of an unlinked instance it showed codes."""
    monkeypatch.setattr(keys, "forget", lambda _: None)

    async def work(house: House) -> None:
        client = house.give_client()
        FakeClient.may_stop.clear()
        # None: its lease is about to run out.
        going = asyncio.create_task(house.session.stand_down() if event is None else house.session._on(event))
        await until(lambda: client.stopped)
        assert "error" not in await ask(house, verb)
        FakeClient.may_stop.set()
        await going
        assert not house.session._line.waits
        assert house.instance.state == (await beside(row()))[0] == state

    run(work)


@pytest.mark.parametrize("event", [CONNECTED, ev.Disconnected(), ev.Banned("spam", 60)])
def test_what_is_disconnected_while_its_news_are_written(monkeypatch: pytest.MonkeyPatch, event: ev.Event) -> None:
    """Was red: it said "connected" for good, or came back by itself."""
    real, writing, written = database.call, threading.Event(), threading.Event()

    def call(work: Any, *args: Any, **fields: Any) -> Any:
        if not writing.is_set():
            writing.set()
            assert written.wait(60)
        return real(work, *args, **fields)

    async def work(house: House) -> None:
        house.give_client()
        monkeypatch.setattr(database, "call", call)
        telling = asyncio.create_task(house.session._on(event))
        await until(writing.is_set)
        asked = asyncio.create_task(ask(house, commands.DISCONNECT))
        await until(lambda: house.instance.state == State.PAUSED)
        written.set()
        await asyncio.gather(telling, asked)
        assert not house.session._line.waits
        assert house.instance.state == (await beside(row()))[0] == State.PAUSED

    run(work)


@pytest.mark.parametrize("state", [State.CONNECTED, State.UNPLACED])
def test_whoever_takes_up_what_was_disconnected_and_does_not_say_so(state: State) -> None:
    """Was red: its owner had lost it before it could say so, and it said "connected", or "not linked", for good."""

    async def work(house: House) -> None:
        house.instance.state, house.instance.wanted = state, False
        await house.session.begin()
        assert not FakeClient.made
        assert (await beside(row()))[0] == State.PAUSED

    run(work)


def test_a_new_proxy_while_whatsapp_refuses_us(monkeypatch: pytest.MonkeyPatch) -> None:
    """Was red: who had just been replaced came back at once, and put the other one off the air."""
    reading, read = threading.Event(), threading.Event()

    def refresh(instance: Instance, **_: Any) -> None:
        instance.proxy_url = "http://proxy.example:3128"
        reading.set()
        assert read.wait(10)

    monkeypatch.setattr(Instance, "refresh_from_db", refresh)

    async def work(house: House) -> None:
        client = house.give_client()
        payload = commands.Change(deadline=time.time() + 10).to_payload()
        asked = asyncio.create_task(house.session._command(f"instance.x.{commands.PREFERENCES}", payload))
        await until(reading.is_set)
        await house.session._on(ev.Replaced())
        read.set()
        assert await asked == {}
        assert client.stopped
        assert (len(FakeClient.made), house.instance.state) == (1, State.REPLACED)

    run(work)


@pytest.mark.parametrize(
    ("state", "banned_for", "starts"),
    [
        (State.CONNECTED, None, True),
        (State.OUTDATED, None, True),
        (State.BANNED, timedelta(hours=1), False),
        (State.BANNED, -timedelta(minutes=1), True),
        (State.BANNED, None, True),
        # Of an earlier ban, which a person tried to end.
        (State.DISCONNECTED, timedelta(hours=1), True),
        (State.REPLACED, None, False),
    ],
)
def test_whoever_takes_up_what_whatsapp_refused(state: State, banned_for: timedelta | None, starts: bool) -> None:
    """Was red: after every restart a suspended number knocked again at once, and a replaced one replaced the other."""

    async def work(house: House) -> None:
        house.instance.state = state
        house.instance.banned_until = timezone.now() + banned_for if banned_for is not None else None
        await house.session.begin()
        assert len(FakeClient.made) == starts
        if not starts:
            assert house.instance.state == state
            payload = commands.Change(deadline=time.time() + 5).to_payload()
            assert (await house.session._command(f"instance.x.{commands.CONNECT}", payload) or {})["linked"]
            assert len(FakeClient.made) == 1, "a person may"

    run(work)


def test_one_that_is_about_to_return_is_not_handed_over() -> None:
    """By a former owner that woke up, which may be what makes others take instances."""

    async def work(house: House) -> None:
        session: Any = house.session
        house.give_client()
        assert session.idle
        await session._on(ev.Replaced())
        assert not session.idle
        session._line.at_rest()
        assert session.idle

    run(work)


@pytest.mark.parametrize(("meant", "then"), [(False, State.DISCONNECTED), (True, State.REPLACED)])
def test_one_that_was_about_to_return_does_so_after_a_restart(meant: bool, then: State) -> None:
    """Was red: an orderly stop within those five seconds left it to a person."""

    async def work(house: House) -> None:
        house.session._lease.met_others = not meant
        house.give_client()
        await house.session._on(ev.Replaced())
        await house.session.end()
        await beside(house.instance.refresh_from_db)
        assert house.instance.state == then

    run(work)


def test_a_ban_that_ends_after_a_restart() -> None:
    async def work(house: House) -> None:
        house.instance.state = State.BANNED
        house.instance.banned_until = timezone.now() + timedelta(seconds=1)
        await house.session.begin()
        assert not FakeClient.made
        await house.ticks(lambda: FakeClient.made)

    run(work)


def test_a_change_in_time() -> None:
    async def work(house: House) -> None:
        payload = commands.Change(deadline=time.time() + 5).to_payload()
        assert (await house.session._command(f"instance.x.{commands.CONNECT}", payload) or {})["linked"]
        assert len(FakeClient.made) == 1

    run(work)


@pytest.mark.parametrize("ignored", [False, True])
def test_an_edit_that_stays_shut_is_tried_again(monkeypatch: pytest.MonkeyPatch, ignored: bool) -> None:
    """Whatever client there is by then; where groups are ignored, its opening changes nothing."""
    monkeypatch.setattr(session, "OPEN_AGAIN_SECONDS", (0.05, 0.06, 0.07))
    asked: list[bool] = []
    party = ev.Party("1@g.us")
    edit = ev.MessageArrived("3EB0", party, ev.Party("1@lid"), True, False, timezone.now(), "edit", "at eleven")

    def again(message_id: str, *, last: bool) -> Any:
        asked.append(last)
        return edit if message_id == "3EB0" and len(asked) == 2 else None

    async def work(house: House) -> None:
        house.instance.ignore_groups = ignored
        put = cast(Any, house.session._writer).put
        monkeypatch.setattr(house.session._line.shut, "again", again)
        await house.session._on(ev.StaysShut("3EB0"))
        await until(lambda: len(asked) == 2 and (ignored or put.called))
        await asyncio.sleep(0.1)
        assert put.call_args_list == ([] if ignored else [mock.call(house.instance, edit)])
        await house.session._on(ev.StaysShut("another"))
        await until(lambda: len(asked) == 5)
        assert asked == [False, False, False, False, True], "the last time it is let go"

    run(work)


def test_a_state_that_another_owner_wrote_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Was red: live readers heard "disconnected" of an instance that is connected elsewhere."""
    heard: list[Any] = []

    async def publish(*given: Any) -> None:
        heard.append(given)

    monkeypatch.setattr(recording, "broker", lambda: mock.MagicMock(publish_async=publish))

    async def work(house: House) -> None:
        await house.session._record.state(State.CONNECTED)
        assert len(heard) == 1
        await beside(Instance.objects.update, epoch=7)
        await house.session._record.state(State.DISCONNECTED)
        assert len(heard) == 1

    run(work)
