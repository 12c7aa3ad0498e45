"""A real nats-server with a million subscriptions of command subjects: memory, an order through it, and news to many.

The connectors are sockets that speak the protocol themselves: two thousand clients of the library
would measure Python. The order and its answer go through the portal's own `Broker`.
"""

import asyncio
import selectors
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import psutil

from instances.whatsapp import commands
from portal.broker import Broker, NobodyListens, Payload
from tests.bench.millions.cost import spent
from tests.nats_server import nats_process

Line = tuple[str, float, str]
CONNECTIONS = 400
ANSWERING, ORDERS, NOBODY = 200, 1_000, 500
NEWS, READERS = 5_000, (1, 10, 100)
# As told of a message: keys, and no text.
BODY = b'{"messages": [123456], "changed": [], "live": true}'


class Client:
    """A connection that subscribes, and reads what it is sent."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30)
        self.socket.recv(65536)
        self.socket.sendall(
            b'CONNECT {"verbose":false,"pedantic":false,"auth_token":"%s"}\r\n' % (parts.username or "").encode()
        )
        self.flush()

    def subscribe(self, subjects: list[str]) -> None:
        """Return once the server has them all."""
        lines = (f"SUB {subject} {number}\r\n" for number, subject in enumerate(subjects, 1))
        self.socket.sendall("".join(lines).encode())
        self.flush()

    def flush(self) -> None:
        """Wait until the server has read what was sent."""
        self.socket.sendall(b"PING\r\n")
        heard = b""
        while not heard.endswith(b"PONG\r\n"):
            heard = (heard + self.socket.recv(65536))[-64:]


def broker(sizes: list[int]) -> Iterator[Line]:
    """From an empty server up to the largest size, each built on the one before."""
    with tempfile.TemporaryDirectory(prefix="bench-nats-") as folder, ExitStack() as stack:
        url, server = stack.enter_context(nats_process(Path(folder)))
        asking, answering = (Broker(url, name) for name in ("web", "connector"))
        stack.callback(asking.close)
        stack.callback(answering.close)
        uids = [uuid.uuid4() for _ in range(ANSWERING)]
        for uid in uids:
            answering.run(answering.subscribe(commands.command_subject(uid, "*"), _answer))
        clients: list[Client] = []
        there, empty = 0, _memory(server.pid)
        yield from _orders("nats_0", asking, uids, server.pid)
        for size in sizes:
            while there < size:
                if len(clients) < min(CONNECTIONS, size // 500):
                    clients.append(Client(url))
                    stack.callback(clients[-1].socket.close)
                some = min(500, size - there)
                # One connection subscribes again and again; each time under numbers of its own is not needed.
                _more(clients[there // 500 % len(clients)], some, there)
                there += some
            time.sleep(1)
            yield f"nats_{size}_memory_each", (_memory(server.pid) - empty) * 1024 / size, "KiB"
            yield f"nats_{size}_memory", _memory(server.pid), "MiB"
            yield from _orders(f"nats_{size}", asking, uids, server.pid)
        yield from _news(url, server.pid)


async def _answer(_: str, payload: Payload) -> Payload:
    return {"epoch": 1}


def _more(client: Client, number: int, first: int) -> None:
    lines = (f"SUB {commands.command_subject(uuid.uuid4(), '*')} {first + n + 1}\r\n" for n in range(number))
    client.socket.sendall("".join(lines).encode())
    client.flush()


def _orders(name: str, asking: Broker, uids: list[uuid.UUID], server: int) -> Iterator[Line]:
    took = []
    before = spent_by(server)
    for number in range(ORDERS):
        began = time.perf_counter()
        asking.request(commands.command_subject(uids[number % len(uids)], commands.ALIVE), {}, 5)
        took.append(time.perf_counter() - began)
    yield f"{name}_order_p50", median(took) * 1000, "ms"
    yield f"{name}_order_server", (spent_by(server) - before) * 1000 / ORDERS, "ms"
    took = []
    for _ in range(NOBODY):
        began = time.perf_counter()
        try:
            asking.request(commands.command_subject(uuid.uuid4(), commands.PIN), {}, 5)
        except NobodyListens:
            took.append(time.perf_counter() - began)
    assert len(took) == NOBODY
    yield f"{name}_nobody_p50", median(took) * 1000, "ms"


def _news(url: str, server: int) -> Iterator[Line]:
    """Each web process hears all news: what a piece costs the server, with so many of them; and what it costs one."""
    subjects = [commands.news_subject(uuid.uuid4(), "messages").encode() for _ in range(500)]
    told = b"".join(
        b"PUB %s %d\r\n%s\r\n" % (subjects[number % len(subjects)], len(BODY), BODY) for number in range(NEWS)
    )
    delivered = sum(len(b"MSG %s 1 %d\r\n%s\r\n" % (one, len(BODY), BODY)) for one in subjects) * NEWS // len(subjects)
    for number in READERS:
        readers = [Client(url) for _ in range(number)]
        for reader in readers:
            reader.subscribe(["news.>"])
        heard = _Hearing([reader.socket for reader in readers], delivered * number)
        writer = Client(url)
        before = spent_by(server)
        writer.socket.sendall(told)
        heard.wait()
        yield f"nats_news_{number}_server", (spent_by(server) - before) * 1000 / NEWS, "ms"
        for client in [*readers, writer]:
            client.socket.close()
    yield from _heard_by_web(url, told)


def _heard_by_web(url: str, told: bytes) -> Iterator[Line]:
    """CPU of a web process for a piece of news that no page of it is about."""
    from portal import broker as brokers
    from portal.live import Hub, Listener, News

    web = Broker(url, "web")
    former, brokers._broker = brokers._broker, web
    try:
        hub = Hub()
        hub._started = True
        hub.join(Listener(web.loop, frozenset()))
        listening = asyncio.run_coroutine_threadsafe(hub._listen(), web.loop)
        while not hub.listening:
            time.sleep(0.02)
        heard: list[News | None] = []
        tell = hub._tell

        def noted(news: News | None) -> None:
            tell(news)
            heard.append(news)

        hub._tell = noted  # type: ignore[method-assign]
        writer = Client(url)
        before = time.process_time()
        writer.socket.sendall(told)
        limit = time.monotonic() + 60
        while len(heard) < NEWS:
            assert time.monotonic() < limit, "news were lost"
            time.sleep(0.05)
        listening.cancel()
        yield "web_news_each", (time.process_time() - before) * 1000 / NEWS, "ms"
        writer.socket.close()
    finally:
        brokers._broker = former
        web.close()


class _Hearing:
    """Reads from many sockets until so many bytes have come."""

    def __init__(self, sockets: list[socket.socket], least: int) -> None:
        self._least, self.whole = least, False
        self._selector = selectors.DefaultSelector()
        for one in sockets:
            self._selector.register(one, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        heard = 0
        while heard < self._least and (ready := self._selector.select(timeout=10)):
            for key, _ in ready:
                one: Any = key.fileobj
                heard += len(one.recv(1 << 20))
        self.whole = heard >= self._least

    def wait(self) -> None:
        """Return once they have come."""
        self._thread.join(timeout=60)
        assert self.whole, "news were lost"


def _memory(pid: int) -> float:
    return psutil.Process(pid).memory_info().rss / 2**20


def spent_by(pid: int) -> float:
    """Seconds of CPU of all threads of a process."""
    return sum(spent_of(thread) for thread in Path(f"/proc/{pid}/task").iterdir())


def spent_of(thread: Path) -> float:
    """Of one of them."""
    return int((thread / "schedstat").read_text().split()[0]) / 1e9


__all__ = ["broker", "spent"]
