"""The stream of news: who hears what."""

import asyncio

from portal.live import RESYNC, Hub, Listener, News


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


def test_news_are_one_event_each() -> None:
    text = News("ab", "state", {"sentence": "line\nbreak"}).encode()
    assert text.startswith("event: state\ndata: {")
    assert text.count("\n") == 3
