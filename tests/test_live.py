"""The stream of news: who hears what."""

import asyncio
import time
from unittest import mock

import pytest

from portal import live
from portal.live import A_PERSON, KEPT, RESYNC, Hub, Listener, News, TooMany


def heard(listener: Listener) -> list[News | None]:
    found = []
    while not listener.queue.empty():
        found.append(listener.queue.get_nowait())
    return found


def test_it_works() -> None:
    async def run() -> None:
        hub = Hub()
        hub._started = True
        mine, other = (Listener(asyncio.get_running_loop(), frozenset({uid})) for uid in ("a", "b"))
        hub.join(mine)
        hub.join(other)
        hub._tell(News("a", "pins", {"message": 1}))
        await asyncio.sleep(0.01)
        assert [news.topic for news in heard(mine) if news] == ["pins"]
        assert heard(other) == []

    asyncio.run(run())


def test_who_is_behind_is_told_to_fetch_everything() -> None:
    async def run() -> None:
        listener = Listener(asyncio.get_running_loop(), frozenset({"a"}))
        for number in range(500):
            listener.offer(News("a", "messages", {"messages": [number]}))
        first = await listener.next(1)
        assert first is not None
        assert first.topic == RESYNC
        assert listener.queue.empty()

    asyncio.run(run())


def test_a_stream_ends_when_the_portal_does() -> None:
    async def run() -> None:
        hub = Hub()
        hub._started = True
        listener = Listener(asyncio.get_running_loop())
        hub.join(listener)
        hub.close()
        assert await listener.next(1) is None

    asyncio.run(run())


def test_a_reader_that_leaves_as_news_come_has_left() -> None:
    """Was red: in Python 3.11 `wait_for` forgot that it was cancelled; after twenty such streams a person had none."""

    async def leave_after(turns: int) -> None:
        listener = Listener(asyncio.get_running_loop())
        waiting = asyncio.ensure_future(listener.next(60))
        await asyncio.sleep(0)
        listener.offer(News("", "messages", {}))
        for _ in range(turns):
            await asyncio.sleep(0)
        if waiting.cancel():
            with pytest.raises(asyncio.CancelledError):
                await waiting

    for turns in range(5):
        asyncio.run(leave_after(turns))


def test_what_was_told_before_a_stream_began_is_told_again() -> None:
    hub = Hub()
    assert [news.topic for news in hub.told(1)] == [RESYNC], "nobody knows what was told before we listened"
    now = time.monotonic()
    hub._since = now - 60
    hub._recent.extend((now - ago, News("a", "pins", {"message": ago})) for ago in (50, 20, 3))
    assert [news.payload["message"] for news in hub.told(30)] == [20, 3]
    assert hub.told(1) == []
    assert [news.topic for news in hub.told(61)] == [RESYNC]
    # More was told than is kept.
    hub._recent.extend((now - 2, News("a", "pins", {"message": 2})) for _ in range(KEPT))
    assert [news.topic for news in hub.told(30)] == [RESYNC]
    assert len(hub.told(1.5)) == 0


def test_what_is_told_while_the_reader_is_looked_up_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> list[str]:
        hub = Hub()
        hub._started, hub._since = True, 0
        monkeypatch.setattr(live, "hub", hub)

        async def look_up() -> frozenset[str]:
            for uid in ("a", "b"):
                news = News(uid, "pins", {"message": 7})
                hub._recent.append((time.monotonic(), news))
                hub._tell(news)
            await asyncio.sleep(0.01)
            return frozenset({"a"})

        told = live.stream(Listener(asyncio.get_running_loop()), look_up, 15)
        return [await anext(told) for _ in range(3)]

    assert asyncio.run(run())[2] == News("a", "pins", {"message": 7}).encode()


def test_a_stream_that_begins_while_nats_is_away_ends() -> None:
    async def run() -> None:
        hub = Hub()
        hub._started = hub.away = True
        listener = Listener(asyncio.get_running_loop())
        hub.join(listener)
        assert await listener.next(1) is None

    asyncio.run(run())


def test_news_are_one_event_each() -> None:
    text = News("ab", "state", {"sentence": "line\nbreak"}).encode()
    assert text.startswith("event: state\ndata: {")
    assert text.count("\n") == 3


def full(whose: str, count: int) -> Hub:
    """A hub where somebody has so many streams."""
    hub = Hub()
    hub._started = True
    for _ in range(count):
        hub.join(Listener(mock.Mock(), whose=whose))
    return hub


def test_nobody_has_more_than_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Was red: a viewer, or a token, could take every file the web process may open."""
    hub = full("person 1", A_PERSON)
    with pytest.raises(TooMany) as caught:
        hub.check("person 1", A_PERSON)
    assert caught.value.status == 429
    hub.check("person 2", A_PERSON)
    hub.leave(next(iter(hub._listeners)))
    hub.check("person 1", A_PERSON)
    monkeypatch.setattr(live, "MOST", A_PERSON - 1)
    with pytest.raises(TooMany) as caught:
        hub.check("person 2", A_PERSON)
    assert caught.value.status == 503


def test_many_that_were_let_in_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        hub = full("person 1", A_PERSON)
        monkeypatch.setattr(live, "hub", hub)
        told = live.stream(Listener(asyncio.get_running_loop(), whose="person 1"), mock.AsyncMock(), 15)
        with pytest.raises(StopAsyncIteration):
            async with asyncio.timeout(5):
                await anext(told)
        assert len(hub._listeners) == A_PERSON

    asyncio.run(run())
