"""Callers who mean ill, at the real portal: slow, endless, and saying two things at once."""

import http.client
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, CloseCode
from websockets.sync import client

from tests.portal_process import PortalProcess

# It brings its own database.
pytestmark = [pytest.mark.slow, pytest.mark.sqlite_only]

HOST = b"Host: localhost\r\n"
API_RATE = 20
SCRIPT = "/static/vendor/swagger-ui-5.35.0.min.js"
# More than the web process has threads.
MANY = 80
MIB = 2**20
CHUNKED = HOST + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + b"x" * 65_536 + b"\r\n"


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalProcess]:
    made = PortalProcess(tmp_path_factory.mktemp("hostile") / "data", None, API_RATE=f"{API_RATE}/m").wait_ready()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def token(portal: PortalProcess) -> str:
    assert portal.manage("createinstance", "shop").returncode == 0
    return portal.manage("createtoken", "--instance", "shop").stdout.split()[-1]


def connect(portal: PortalProcess, source: str = "127.0.0.1", *, reads_little: bool = False) -> socket.socket:
    """A connection from one of this machine's many addresses, each a caller of its own to the rate limit."""
    made = socket.socket()
    if reads_little:
        # As over a real network, where the kernel of the sender holds little for who does not read.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    made.settimeout(60)
    made.bind((source, 0))
    made.connect(("127.0.0.1", portal.port))
    return made


def say(portal: PortalProcess, text: bytes, source: str = "127.0.0.1") -> bytes:
    """All that is answered to these bytes, until the connection ends."""
    found = b""
    with closing(connect(portal, source)) as made:
        made.sendall(text)
        with suppress(ConnectionResetError):
            while piece := made.recv(65_536):
                found += piece
    return found


def answers_at_once(portal: PortalProcess) -> None:
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", portal.port, timeout=30)
    with closing(connection):
        connection.request("GET", "/sign-in/")
        assert connection.getresponse().status == 200
    assert time.monotonic() - began < 10


def test_readers_who_do_not_read(portal: PortalProcess) -> None:
    with ExitStack() as readers:
        for _ in range(MANY):
            reader = readers.enter_context(closing(connect(portal, reads_little=True)))
            reader.sendall(f"GET {SCRIPT} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        time.sleep(1)
        answers_at_once(portal)


def test_callers_who_never_come_to_the_point(portal: PortalProcess) -> None:
    beginnings = (
        b"", b"GET / HTTP/1.1\r\n" + HOST, b"POST /sign-in/ HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\nx",
        b"POST /api/chat/pinMessage/shop HTTP/1.1\r\n" + CHUNKED + b"1\r\nx\r\n",
        b"POST /live/ HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\nx",
    )  # fmt: skip
    with ExitStack() as callers:
        for beginning in beginnings * MANY:
            callers.enter_context(closing(connect(portal))).sendall(beginning)
        answers_at_once(portal)


def web(portal: PortalProcess) -> psutil.Process:
    return psutil.Process(portal.pids()["web"])


def flood(portal: PortalProcess, beginning: bytes, piece: bytes, pieces: int = 2000) -> int:
    """Send without end, reading nothing; how many bytes went out before the other side had enough."""
    sent = 0
    with closing(connect(portal, "127.0.0.2")) as made, suppress(OSError):
        made.sendall(beginning)
        for _ in range(pieces):
            made.sendall(piece)
            sent += len(piece)
    return sent


@pytest.mark.parametrize(
    ("beginning", "piece"),
    [
        (b"GET / HTTP/1.1\r\n" + HOST + b"X-Endless: ", b"x" * 65_536),
        (b"GET / HTTP/1.1\r\n" + HOST, b"X: y\r\n" * 10_000),
        (b"GET /", b"x" * 65_536),
        (b"POST /api/chat/pinMessage/shop HTTP/1.1\r\n" + CHUNKED, CHUNK),
        (b"POST /sign-in/ HTTP/1.1\r\n" + CHUNKED, CHUNK),
        (b"POST /live/ HTTP/1.1\r\n" + CHUNKED, CHUNK),
        (b"POST /sign-in/ HTTP/1.1\r\n" + CHUNKED + b"0\r\n", b"X: y\r\n" * 10_000),
        (b"POST /sign-in/ HTTP/1.1\r\n" + CHUNKED + b"1;x=", b"y" * 65_536),
        (b"POST /sign-in/ HTTP/1.1\r\n" + HOST + b"Content-Length: 999999999999\r\n\r\n", b"x" * 65_536),
    ],
    ids=["header", "headers", "address", "call", "form", "stream", "trailers", "chunk", "length"],
)  # fmt: skip
def test_without_end(portal: PortalProcess, beginning: bytes, piece: bytes) -> None:
    process = web(portal)
    before = process.memory_info().rss
    sent = flood(portal, beginning, piece)
    # Beside what the server took, the kernel held some for both sides.
    assert sent < 48 * MIB
    assert process.memory_info().rss - before < 48 * MIB
    on_disk = [
        found.stat().st_size for found in Path(f"/proc/{process.pid}/fd").iterdir() if "(deleted)" in os.readlink(found)
    ]
    assert sum(on_disk) < 2 * MIB
    answers_at_once(portal)


NEXT = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
CALL = b"POST /api/chat/list/shop HTTP/1.1\r\n" + HOST


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Content-Length: 4\r\nContent-Length: 40\r\n",
        b"Content-Length: 4, 40\r\n",
        b"Content-Length: +4\r\n",
        b"Content-Length: 0x4\r\n",
        b"Content-Length: -1\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b" Transfer-Encoding: chunked\r\n",
        b"X: y\rTransfer-Encoding: chunked\r\n",
        b"X: y\nTransfer-Encoding: chunked\r\n",
        b"X: y\r\n folded\r\nTransfer-Encoding: chunked\r\n",
        b"token: a\rb\r\n",
        b"token: a\x00b\r\n",
    ],
)  # fmt: skip
def test_two_requests_in_one(portal: PortalProcess, head: bytes) -> None:
    """What a proxy in front might take for one request is not two here: it is none, and the connection ends."""
    found = say(portal, CALL + head + b"\r\n0\r\n\r\n" + NEXT)
    assert found.startswith(b"HTTP/1.1 400 "), found
    assert found.count(b"HTTP/1.1 ") == 1
    assert b"This is not a valid HTTP request" in found


def test_another_hosts_name(portal: PortalProcess) -> None:
    for host in (
        b"evil.example",
        b"localhost, evil.example",
        b"localhost\r\nHost: evil.example",
        b"localhost@evil.example",
    ):
        found = say(portal, b"GET /sign-in/ HTTP/1.1\r\nConnection: close\r\nHost: " + host + b"\r\n\r\n")
        assert found.startswith(b"HTTP/1.1 400 "), (host, found)
        assert b"ALLOWED_HOSTS" in found
        assert b"evil" not in found
    for trick in (b"X-Forwarded-Host: evil.example\r\n", b"X_Forwarded_Host: evil\r\n", b"Forwarded: host=evil\r\n"):
        found = say(portal, b"GET / HTTP/1.1\r\nConnection: close\r\n" + HOST + trick + b"\r\n")
        assert b"location: /sign-in/?next=/\r\n" in found
        assert b"evil" not in found
    found = say(portal, b"GET http://evil.example/ HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")
    assert b"location: /sign-in/?next=/\r\n" in found


def status(found: bytes) -> int:
    return int(found.split(b" ", 2)[1])


def test_guessing_tokens(portal: PortalProcess, token: str) -> None:
    """By address, whatever the guesser says of theirs; who holds a good token there is not concerned."""

    def guess(number: int, source: str = "127.0.0.3") -> int:
        lies = f"X-Forwarded-For: 192.0.2.{number}\r\nX_Forwarded_For: 192.0.2.{number}\r\n"
        lies += f"X-Real-IP: 192.0.2.{number}\r\nForwarded: for=192.0.2.{number}\r\nREMOTE_ADDR: 192.0.2.{number}\r\n"
        lies += f"X-Forwarded-For: 198.51.100.{number}\r\nVia: x\r\n"
        head = f"GET /api/chat/list/shop HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\ntoken: wap_{number}\r\n"
        return status(say(portal, f"{head}{lies}\r\n".encode(), source))

    # The window may end meanwhile.
    codes = [guess(number) for number in range(API_RATE * 2 + 2)]
    assert set(codes) == {401, 429}
    assert codes.count(401) <= API_RATE * 2
    # Nor at the other door. The window may end between the two.
    key = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    upgrade = b"GET /ws/shop?token=wap_x HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + key
    assert any(guess(0) == status(say(portal, upgrade + b"\r\n", "127.0.0.3")) == 429 for _ in range(API_RATE * 2))
    good = (
        f"GET /api/chat/list/shop HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\ntoken: {token}\r\n\r\n".encode()
    )
    assert status(say(portal, good, "127.0.0.3")) == 200
    assert guess(1, "127.0.0.4") == 401


def test_a_token_among_others(portal: PortalProcess, token: str) -> None:
    """Which of two is meant would be decided differently by every program on the way: neither is."""
    begin = f"GET /api/chat/list/shop HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\ntoken: {token}\r\n"
    for more in (f"token: {token}", "token: wap_other", "Token: x"):
        found = say(portal, f"{begin}{more}\r\n\r\n".encode(), "127.0.0.5")
        assert status(found) == 401, found
        assert json.loads(found.split(b"\r\n\r\n", 1)[1])["error"]["message"] == "Invalid token"


def test_websockets_of_other_pages(portal: PortalProcess, token: str) -> None:
    key = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    begin = b"GET /ws/shop HTTP/1.1\r\nHost: localhost:1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + key
    begin += f"token: {token}\r\n".encode()
    for origin in (
        "https://evil.example", "null", "", "http://localhost", "http://localhost:2", "http://localhost:1@evil.example",
        "http://localhost:1.evil.example", "localhost:1", "http://[", "http://[::1",
    ):  # fmt: skip
        found = say(portal, begin + f"Origin: {origin}\r\n\r\n".encode(), "127.0.0.6")
        assert status(found) == 403, (origin, found)
        assert b"CORS_ALLOWED_ORIGINS" in found
    both = b"Origin: http://localhost:1\r\nOrigin: http://evil.example\r\n\r\n"
    assert status(say(portal, begin + both, "127.0.0.6")) == 400


def ending(portal: PortalProcess, source: str, headers: dict[str, str], pieces: int) -> Close | None:
    """How a WebSocket that says too much is closed; None when a reset overtook the word."""
    address = f"ws://localhost:{portal.port}/ws/shop"
    with client.connect(address, sock=connect(portal, source), additional_headers=headers) as made:
        assert made.response is not None
        assert "Sec-WebSocket-Extensions" not in made.response.headers, "nothing is to be unpacked"
        with suppress(ConnectionClosed):
            made.send("x" * MIB for _ in range(pieces))
        with pytest.raises(ConnectionClosed) as closed:
            made.recv(timeout=60)
    return closed.value.rcvd


@pytest.mark.parametrize("pieces", [1, 2000], ids=["one message", "pieces without end"])
def test_websockets_that_say_too_much(portal: PortalProcess, token: str, pieces: int) -> None:
    """Before they have named a token, and after."""
    process = web(portal)
    before = process.memory_info().rss
    for headers in ({}, {"token": token}):
        # Who is still sending when the other side closes may get TCP's reset before the last word: then once more.
        told = (ending(portal, f"127.0.8.{number}", headers, pieces) for number in range(1, 10))
        said = next(filter(None, told))
        assert said.code == CloseCode.MESSAGE_TOO_BIG
    assert process.memory_info().rss - before < 48 * MIB
    answers_at_once(portal)
