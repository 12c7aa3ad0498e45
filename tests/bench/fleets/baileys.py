"""Accounts held by Baileys, the library under WAHA's NOWEB engine and Evolution API, on the same loopback server."""

import json
import os
import queue
import subprocess
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from tests.loopback import Account, LoopbackServer
from tests.node import NODE

HOME = Path(__file__).resolve().parents[1] / "baileys"
ANSWER_SECONDS = 30.0

Told = dict[str, Any]


class Baileys:
    """One process of Node.js, in which any number of accounts may be linked."""

    def __init__(self, server: LoopbackServer, folder: Path) -> None:
        found = server.env()
        # Node.js does not read SSL_CERT_FILE.
        environment = {**os.environ, **found, "NODE_EXTRA_CA_CERTS": found["SSL_CERT_FILE"]}
        self._process = subprocess.Popen(
            [NODE, "client.mjs", str(folder)], cwd=HOME, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._told: defaultdict[str, queue.Queue[Told]] = defaultdict(queue.Queue)
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> "Baileys":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.kill()
        self._process.wait(timeout=10)

    def link(self, account: Account) -> None:
        """Let the account's phone scan a code; returns once it is connected."""
        self._order("start", account)
        account.scan(self._next("qr")["qr"])
        self._next("open")

    def message(self, message_id: str) -> Told:
        """The key of a message that has arrived, as Baileys tells it."""
        while True:
            key: Told = self._next("message")["key"]
            if key["id"] == message_id:
                return key

    def pin(self, account: Account, key: Told, seconds: int) -> tuple[float, float]:
        """Milliseconds until `sendMessage({pin})` returned, and until WhatsApp's acknowledgement was there."""
        began = time.perf_counter()
        self._order("pin", account, chat=key["remoteJid"], key=key, seconds=seconds)
        pinned = self._next("pinned")
        while self._next("acknowledged")["id"] != pinned["id"]:
            pass
        return float(pinned["returned"]), (time.perf_counter() - began) * 1000

    def memory(self) -> float:
        """MiB; shared pages count in parts."""
        return float(psutil.Process(self._process.pid).memory_full_info().pss / 2**20)

    def _order(self, verb: str, account: Account, **more: Any) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"do": verb, "name": account.phone, **more}) + "\n")
        self._process.stdin.flush()

    def _next(self, event: str) -> Told:
        return self._told[event].get(timeout=ANSWER_SECONDS)

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            told = json.loads(line)
            self._told[told["event"]].put(told)
