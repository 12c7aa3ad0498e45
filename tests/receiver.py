"""A real HTTP server on loopback that webhooks are sent to, and that behaves as the path says.

`/ok` takes an event, `/fail` answers 500, `/sleep/3` answers after three
seconds, `/drip` sends its answer a byte at a time and never ends, `/away/2`
answers 503 twice for each event and then takes it, `/redirect` sends elsewhere.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Request:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    began: float
    ended: float = 0.0

    @property
    def event(self) -> dict[str, Any]:
        """The event it brought."""
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Receiver:
    """The server, and all that came."""

    port: int
    requests: list[Request] = field(default_factory=list)
    # Answers by path, over what the path says: to fail first and work later.
    answers: dict[str, int] = field(default_factory=dict)
    _refused: Counter[tuple[str, str]] = field(default_factory=Counter)

    def url(self, path: str) -> str:
        """The address of a behaviour."""
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Request]:
        """What came to one path, in order."""
        return [request for request in list(self.requests) if request.path == path]

    def ids(self, path: str) -> list[str]:
        """The ids of the events that came to one path, in order."""
        return [request.headers["webhook-id"] for request in self.at(path)]

    def answer(self, request: Request) -> int:
        """The status for a request, after whatever wait its path asks for."""
        if request.path in self.answers:
            return self.answers[request.path]
        _, behaviour, *more = request.path.split("/")
        if behaviour == "sleep":
            time.sleep(float(more[0]))
        if behaviour == "away":
            self._refused[request.path, request.headers["webhook-id"]] += 1
            return 503 if self._refused[request.path, request.headers["webhook-id"]] <= int(more[0]) else 200
        return {"fail": 500, "redirect": 302}.get(behaviour, 200)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A running one."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.path, headers, body, time.monotonic())
            made.requests.append(request)
            if self.path == "/drip":
                self.drip()
                return
            status = made.answer(request)
            request.ended = time.monotonic()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", made.url("/ok"))
            answer = f"answer {status}".encode()
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self) -> None:
            made.requests.append(Request(self.path, {}, b"{}", time.monotonic()))
            self.send_error(405)

        def drip(self) -> None:
            try:
                for character in "HTTP/1.1 200 OK\r\nX-Slow: " + "x" * 10_000:
                    self.wfile.write(character.encode())
                    time.sleep(0.2)
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # The other side went away, as the tests make it do.

    server = Server(("127.0.0.1", 0), Handler)
    made = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
