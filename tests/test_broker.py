"""The NATS connection: on a real nats-server, and without one."""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.broker import Broker, NobodyListens, NoReply, Payload
from portal.reaching import options
from tests.nats_server import nats_process, nats_server
from tests.worker_process import wait


@pytest.fixture
def broker(nats_url: str) -> Iterator[Broker]:
    made = Broker(nats_url, "test")
    yield made
    made.close()


async def double(_: str, payload: Payload) -> Payload:
    return {"twice": payload["number"] * 2}


def test_it_works(broker: Broker) -> None:
    broker.run(broker.subscribe("test.double", double))
    assert broker.request("test.double", {"number": 21}, 30) == {"twice": 42}


def test_nobody_listens_is_known_at_once(broker: Broker) -> None:
    broker.run(broker.client())
    began = time.monotonic()
    with pytest.raises(NobodyListens):
        broker.request("test.silence", {}, 10)
    assert time.monotonic() - began < 5


def test_no_reply_in_time(broker: Broker) -> None:
    async def silent(_: str, __: Payload) -> None:
        return None

    broker.run(broker.subscribe("test.silent", silent))
    with pytest.raises(NoReply):
        broker.request("test.silent", {}, 0.2)


def test_a_handler_that_fails_gives_no_reply(broker: Broker) -> None:
    async def failing(_: str, __: Payload) -> None:
        raise ZeroDivisionError

    broker.run(broker.subscribe("test.failing", failing))
    with pytest.raises(NoReply):
        broker.request("test.failing", {}, 0.2)


def test_a_slow_handler_holds_nobody_up(broker: Broker) -> None:
    release = threading.Event()

    async def slow(_: str, payload: Payload) -> Payload:
        while payload["slow"] and not release.is_set():
            await asyncio.sleep(0.01)
        return {}

    broker.run(broker.subscribe("test.slow", slow))
    waiting = threading.Thread(target=lambda: broker.request("test.slow", {"slow": True}, 60))
    waiting.start()
    assert broker.request("test.slow", {"slow": False}, 30) == {}
    release.set()
    waiting.join()


def test_an_ended_subscription_hears_no_more(broker: Broker) -> None:
    end = broker.run(broker.subscribe("test.ended", double))

    async def finish() -> None:
        await end()

    broker.run(finish())
    with pytest.raises(NobodyListens):
        broker.request("test.ended", {"number": 1}, 30)


def test_what_is_published_arrives(broker: Broker) -> None:
    heard: list[Payload] = []

    async def hear(_: str, payload: Payload) -> None:
        heard.append(payload)

    broker.run(broker.subscribe("test.news", hear))
    broker.publish("test.news", {"word": "olá"})
    deadline = time.monotonic() + 60
    while not heard and time.monotonic() < deadline:
        time.sleep(0.01)
    assert heard == [{"word": "olá"}]


def test_without_a_server_only_the_first_caller_waits() -> None:
    broker = Broker("nats://127.0.0.1:9", "test")
    for limit in (5.0, 0.5):
        began = time.monotonic()
        with pytest.raises(NobodyListens):
            broker.request("test", {}, 10)
        assert time.monotonic() - began < limit
    broker.publish("test", {})
    broker.close()


def test_callers_at_the_start_wait_for_the_connection(nats_url: str) -> None:
    """A publication that opens the connection must not make the request beside it fail."""
    broker = Broker(nats_url, "test")
    broker.publish("test.first", {})
    with pytest.raises(NobodyListens, match=r"nobody listens on test\.second"):
        broker.request("test.second", {}, 30)
    broker.close()


def test_without_an_address() -> None:
    broker = Broker("", "test")
    with pytest.raises(NobodyListens, match="NATS_URL is not set"):
        broker.request("test", {}, 1)
    broker.close()


@pytest.mark.slow
def test_a_server_that_went_and_came_back(tmp_path: Path) -> None:
    with nats_server(tmp_path / "first") as url:
        broker = Broker(url, "test")
        broker.run(broker.subscribe("test.double", double))
        assert broker.request("test.double", {"number": 1}, 30) == {"twice": 2}
        broker.run(broker.reach())
    # The client stays, and tries again; it is not there for that.
    with pytest.raises(NobodyListens):
        broker.run(broker.reach())
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(NobodyListens):
            broker.request("test.double", {"number": 1}, 5)
    assert time.monotonic() - began < 10, "nothing is queued for a server that is away"
    broker.close()


def test_as_whom_to_several_servers() -> None:
    """The others of a cluster are told by it, without anybody's password."""
    found = options("nats://web:p%40ss@one:4222, nats://two:4222")
    assert (found["user"], found["password"], found["inbox_prefix"]) == ("web", "p@ss", b"_INBOX.web")
    assert found["servers"] == ["nats://web:p%40ss@one:4222", "nats://two:4222"]
    assert "tls" not in found
    assert "tls" in options("nats://web:p%40ss@one:4222,tls://two:4222"), "whichever of them says so"


def test_a_password_is_told_over_tls_alone() -> None:
    """Was red: whoever stands between, and says that there is no TLS, heard it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        broker = Broker(f"tls://web:hush@127.0.0.1:{server.getsockname()[1]}", "test")
        broker.publish("test.news", {})
        caller, _ = server.accept()
        with caller:
            caller.settimeout(10)
            caller.sendall(b'INFO {"server_id": "false", "version": "2.10.0", "max_payload": 1048576}\r\n')
            assert caller.recv(4096) == b""
        broker.close()


def test_a_token_is_not_told_to_the_subjects() -> None:
    found = options("nats://secret@one:4222")
    assert found["token"] == "secret"
    assert "inbox_prefix" not in found


@pytest.mark.slow
def test_a_server_that_throws_us_out_may_take_us_again(tmp_path: Path) -> None:
    """Was red: a minute with another password, and all that was connected heard nothing until it was started anew."""
    with nats_process(tmp_path) as (url, process):
        broker = Broker(url, "test")
        broker.run(broker.subscribe("test.double", double))
        end = broker.run(broker.subscribe("test.ended", double))

        async def finish() -> None:
            await end()

        broker.run(finish())
        config = tmp_path / "nats.conf"
        ours = config.read_text()
        config.write_text(ours.replace('token: "', 'token: "another'))
        process.send_signal(signal.SIGHUP)
        wait(lambda: not there(broker))
        config.write_text(ours)
        process.send_signal(signal.SIGHUP)
        wait(lambda: there(broker))
        assert broker.request("test.double", {"number": 21}, 2) == {"twice": 42}
        with pytest.raises(NobodyListens):
            broker.request("test.ended", {"number": 1}, 2)
        broker.close()


def there(broker: Broker) -> bool:
    try:
        broker.run(broker.reach())
    except NobodyListens:
        return False
    return True


@pytest.mark.slow
def test_a_server_that_was_silent_for_a_while_is_heard_again(tmp_path: Path) -> None:
    heard: list[Payload] = []

    async def hear(_: str, payload: Payload) -> None:
        heard.append(payload)

    with nats_process(tmp_path) as (url, process):
        broker = Broker(url, "test")
        broker.run(broker.reach())
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)  # It may still answer until it stands.
        try:
            for question in (broker.subscribe("test.news", hear), broker.reach()):
                with pytest.raises(NobodyListens, match="does not answer"):
                    broker.run(question)
        finally:
            process.send_signal(signal.SIGCONT)
        broker.run(broker.reach())
        broker.run(broker.subscribe("test.news", hear))
        broker.run(broker.publish_async("test.news", {"word": "once"}))
        broker.run(broker.reach())
        assert heard == [{"word": "once"}], "not by the try that failed as well"
        broker.close()
