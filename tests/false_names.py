"""A machine of its own on which names lie: its resolver gives each name's answers one after the other.

Run as a program by `tests/test_false_names.py`, in a network and with an
/etc/resolv.conf of its own. Its one public address and its 127.0.0.1 each have
a web server, which keep what came. It prints what came of each try as JSON.
"""

import asyncio
import ipaddress
import json
import os
import socketserver
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PUBLIC, PORT = "93.184.216.34", 8000
A, AAAA = 1, 28
# The addresses of each name, by the question's number; the last answer stays.
NAMES: dict[str, list[list[str]]] = {
    "steady.test": [[PUBLIC]],
    "first-public.test": [[PUBLIC], ["127.0.0.1"]],
    "first-private.test": [["127.0.0.1"], [PUBLIC]],
    "both.test": [["127.0.0.1", PUBLIC]],
    "zero.test": [["0.0.0.0"]],
    "mapped.test": [["::ffff:127.0.0.1"]],
    "loop.test": [["::1"]],
    "nat64.test": [["64:ff9b::7f00:1"]],
    "metadata.test": [["169.254.169.254"]],
    "site.test": [["fec0::1"]],
    "unassigned.test": [["4000::1"]],
    "nobody.test": [[]],
}
asked: Counter[str] = Counter()
came: dict[str, list[str]] = {"public": [], "inside": []}


class Names(socketserver.BaseRequestHandler):
    """Answers a question by UDP (RFC 1035)."""

    def handle(self) -> None:
        """One question."""
        data, socket = self.request
        labels, place = [], 12
        while length := data[place]:
            labels.append(data[place + 1 : place + 1 + length].decode())
            place += length + 1
        name, kind = ".".join(labels), int.from_bytes(data[place + 1 : place + 3], "big")
        if kind == A:
            asked[name] += 1
        answers = NAMES.get(name, [[]])
        # Both kinds of one look-up are asked for at about the same time: A counts.
        texts = answers[min(max(asked[name], 1), len(answers)) - 1]
        addresses = [ipaddress.ip_address(text).packed for text in texts]
        found = [address for address in addresses if len(address) == (4 if kind == A else 16)]
        reply = data[:2] + b"\x81\x80" + data[4:6] + len(found).to_bytes(2, "big") + bytes(4) + data[12 : place + 5]
        for address in found:
            reply += (
                b"\xc0\x0c" + kind.to_bytes(2, "big") + b"\0\1" + bytes(4) + len(address).to_bytes(2, "big") + address
            )
        socket.sendto(reply, self.client_address)


def web(where: str, address: str) -> None:
    """A web server that keeps the paths it was asked for; `/away` sends to the inside."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came[where].append(self.path)
            self.send_response(307 if self.path == "/away" else 200)
            self.send_header("Location", f"http://127.0.0.1:{PORT}/sent-there")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    serve(ThreadingHTTPServer((address, PORT), Handler))


def serve(server: Any) -> None:
    """On a thread, for as long as the program runs."""
    threading.Thread(target=server.serve_forever, daemon=True).start()


def trial(work: Callable[[], object]) -> dict[str, Any]:
    """What came of some work, and what the two servers saw of it."""
    came["public"].clear()
    came["inside"].clear()
    asked.clear()
    try:
        said = str(work())
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    return {"said": said, "public": len(came["public"]), "inside": len(came["inside"]), "asked": sum(asked.values())}


def send(url: str) -> dict[str, Any]:
    """A webhook's event to an address."""
    from django.utils import timezone

    from instances.events.models import Delivery, OutgoingEvent, Webhook
    from instances.events.sender import Sender
    from instances.models import Instance

    async def sent() -> object:
        sender = Sender()
        event = OutgoingEvent(uid=uuid.uuid4(), kind="x", at=timezone.now(), body="{}")
        webhook = Webhook(url=url, salt="x", instance=Instance(account_id=1))
        outcome = await sender.send(Delivery(webhook=webhook, event=event))
        await sender.close()
        return outcome.status or outcome.error

    return trial(lambda: asyncio.run(sent()))


def proxy(url: str) -> dict[str, Any]:
    """What an instance's connection is told of its proxy."""
    from instances import proxies
    from instances.models import Instance

    return trial(lambda: proxies.address_of(Instance(proxy_url=url)))


def main() -> None:
    """Set all up, try, and print."""
    for change in (("link", "set", "lo", "up"), ("addr", "add", f"{PUBLIC}/32", "dev", "lo")):
        subprocess.run(["ip", *change], check=True)
    config = Path(os.environ["DATA_DIR"]) / "resolv.conf"
    config.parent.mkdir(exist_ok=True)
    config.write_text("nameserver 127.0.0.1\noptions timeout:2 attempts:1\n")
    subprocess.run(["mount", "--bind", str(config), "/etc/resolv.conf"], check=True)
    serve(socketserver.ThreadingUDPServer(("127.0.0.1", 53), Names))
    web("public", PUBLIC)
    web("inside", "127.0.0.1")
    import django

    django.setup()
    found: dict[str, Any] = {"webhook": {}, "proxy": {}}
    for name in NAMES:
        # A name that lies does so once in two questions.
        found["webhook"][name] = [send(f"http://{name}:{PORT}/")]
        if name.startswith("first"):
            first = dict(asked)
            found["webhook"][name].append(again(first, partial(send, f"http://{name}:{PORT}/")))
        found["proxy"][name] = proxy(f"http://{name}:{PORT}")
    for host in ("2130706433", "0x7f.1", "0", "127.1", "[::ffff:127.0.0.1]", "[::]", "localhost", "localhost."):
        found["webhook"][host] = [send(f"http://{host}:{PORT}/")]
    found["webhook"]["redirect"] = [send(f"http://steady.test:{PORT}/away")]
    print(json.dumps(found))


def again(before: dict[str, int], work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Try once more, with a resolver that remembers that it was asked."""
    global NAMES
    kept = NAMES
    NAMES = {name: answers[before.get(name, 0) :] or answers[-1:] for name, answers in NAMES.items()}
    try:
        return work()
    finally:
        NAMES = kept


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"{time.monotonic() - began:.1f} s", file=sys.stderr)
