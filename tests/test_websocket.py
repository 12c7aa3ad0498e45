"""A reader of the WebSocket who reads too slowly, or who missed something, is let go with a reason."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from unittest import mock

import pytest

from instances import tokens
from portal import websocket as ws
from portal.live import A_TOKEN, RESYNC, Listener, News, hub
from portal.rest import call
from portal.rest.errors import NOT_OUR_HOST, ApiError
from portal.rest.views import FORBIDDEN
from tests.portal_process import ROOT

BODY = '{"event": "message.pin"}'


def ending(offered: list[News | None]) -> ws.Ending | None:
    """How a connection ends whose client takes nothing, when it is offered these news."""

    async def run() -> ws.Ending | None:
        async def send(_: Any) -> None:
            await asyncio.Event().wait()

        async def receive() -> Any:
            await asyncio.Event().wait()

        connection = ws.Connection({"path": "/ws/shop"}, receive, send)
        reader = ws.Reader(asyncio.get_running_loop(), frozenset({"a"}))
        telling = asyncio.create_task(connection._tell(reader))
        for news in offered:
            reader.offer(news)
        async with asyncio.timeout(5):
            return await telling

    return asyncio.run(run())


def test_too_slow() -> None:
    told = News("a", "pins", {}, (BODY,))
    assert ending([told] * 300) == ws.Ending(1013, ws.TOO_SLOW)


def test_news_that_were_missed() -> None:
    assert ending([News("", RESYNC, {})]) == ws.Ending(1013, ws.MISSED)


def test_the_portal_stops() -> None:
    found = ending([None])
    assert found is not None
    assert found.code == 1001


def test_news_of_others_are_not_queued() -> None:
    async def run() -> bool:
        reader = ws.Reader(asyncio.get_running_loop(), frozenset({"a"}))
        reader.offer(News("b", "pins", {}, (BODY,)))
        return reader.queue.empty()

    assert asyncio.run(run())


def test_a_first_message_that_is_no_token() -> None:
    """Also one that is nested so deeply that reading it is an error of its own."""

    async def run(text: str) -> int:
        async def receive() -> Any:
            return {"type": "websocket.receive", "text": text}

        async def send(_: Any) -> None:
            pass

        with pytest.raises(ApiError) as caught:
            await ws.Connection({"path": "/ws/shop"}, receive, send)._first_message()
        return caught.value.status

    for text in ("", "{", "[]", "7", '{"token": 7}', '{"tokens": "x"}', "[" * 60_000, '{"token":' * 10_000):
        assert asyncio.run(run(text)) == 401


def handshake(*messages: str, query: bytes = b"", host: bytes = b"localhost") -> list[Any]:
    """What is sent to a client without a token in its handshake, who then says this."""
    sent: list[Any] = []
    coming: Iterator[Any] = iter([{"type": "websocket.connect"}, *({"text": text} for text in messages)])

    async def receive() -> Any:
        return next(coming)

    async def send(event: Any) -> None:
        sent.append(event)

    scope: dict[str, Any] = {
        "type": "websocket",
        "path": "/ws/shop",
        "query_string": query,
        "client": ("192.0.2.7", 50_000),
        "headers": [(b"host", host)],
        "extensions": {"websocket.http.response": {}},
    }
    with suppress(OurFault):  # Which it lets go on, to be logged.
        asyncio.run(ws.websocket(scope, receive, send))
    return sent


def test_more_parameters_than_are_read(caplog: pytest.LogCaptureFixture) -> None:
    """Was red: Django refuses them when the first is asked for, which was a fault of ours, with its traceback."""
    start, body = handshake(query=b"a=1&" * 1_025)
    assert start["status"] == 400
    assert json.loads(body["body"])["error"]["message"] == "Invalid parameter: there are more than 1024 of them"
    assert not caplog.records


def test_a_host_that_is_not_ours() -> None:
    start, body = handshake(host=b"evil.example")
    assert start["status"] == 400
    assert json.loads(body["body"])["error"]["message"] == NOT_OUR_HOST


def test_a_first_message_whose_token_is_no_text(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Was red: half a surrogate pair goes into no header, and before anybody had looked who asks that was our fault."""
    looked: list[str] = []
    monkeypatch.setattr(ws, "aside", mock.AsyncMock(side_effect=lambda work, *given: work(*given)))
    # It looks into the database for it, but for what cannot be in it.
    monkeypatch.setattr(tokens, "find", lambda secret: looked.append(tokens.digest(secret)))
    accepted, closed = handshake('{"token": "\\ud800"}')
    assert accepted["type"] == "websocket.accept"
    assert (closed["code"], closed["reason"]) == (4401, "Invalid token")
    assert len(looked) == 1
    assert not caplog.records


class OurFault(Exception):
    pass


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ApiError(401, call.INVALID), 4401),
        (ApiError(403, FORBIDDEN["read"]), 4403),
        (ApiError(404, "Instance not found"), 4404),
        (ApiError(429, call.OVER_LIMIT), 4429),
        (ApiError(503, ws.NO_EVENTS), 4503),
        (OurFault(), 4500),
    ],
)
def test_how_it_ends_after_a_first_message(monkeypatch: pytest.MonkeyPatch, error: Exception, code: int) -> None:
    """Each code stands in docs/events.md."""

    async def work(ask: Any, *given: Any) -> Any:
        if ask.__name__ == "_admit":
            raise error
        return mock.Mock()

    monkeypatch.setattr(ws, "aside", work)
    closed = handshake('{"token": "x"}')[-1]
    assert closed["code"] == code
    page = (ROOT / "docs" / "events.md").read_text()
    assert re.search(rf"^\|[\d, ]*\b{code}\b[\d, ]*\|", page, re.MULTILINE)


def test_nats_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is let in to hear nothing."""

    async def run() -> None:
        await ws._listening(ws.Reader(asyncio.get_running_loop(), frozenset({"a"})))

    monkeypatch.setattr(ws, "READY_SECONDS", 0.1)
    monkeypatch.setattr(type(hub), "listening", False)
    with pytest.raises(ApiError, match="NATS is not there") as caught:
        asyncio.run(run())
    assert caught.value.status == 503


def test_a_token_that_has_many_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused in HTTP, as everything that is wrong with a handshake."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(event: Any) -> None:
        sent.append(event)

    def admit(connection: ws.Connection, _request: object, _name: str) -> None:
        connection._token, connection._instance = mock.Mock(pk=7), mock.Mock()

    monkeypatch.setattr(ws.Connection, "_admit", admit)
    monkeypatch.setattr(ws, "aside", mock.AsyncMock(side_effect=lambda work, *given: work(*given)))
    scope: dict[str, Any] = {
        "type": "websocket",
        "path": "/ws/shop",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"token", b"x")],
    }
    scope["extensions"] = {"websocket.http.response": {}}
    others = [Listener(mock.Mock(), whose="token 7") for _ in range(A_TOKEN)]
    monkeypatch.setattr(hub, "_listeners", set(others))
    asyncio.run(ws.websocket(scope, receive, send))
    assert sent[0]["status"] == 429
    assert (b"retry-after", b"60") in sent[0]["headers"]
    assert hub._listeners == set(others)
