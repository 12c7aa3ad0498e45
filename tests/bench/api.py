"""What the REST API costs: answers refused and accepted, many callers at once, and memory after many requests."""

import http.client
import json
import os
import threading
import time
from collections.abc import Iterator
from statistics import median, quantiles
from typing import Any

import psutil

from chats.pins import DURATIONS
from tests.bench.registry import Figure, at_most, bench
from tests.bench.stage import stage
from tests.e2e.scene import Scene

ROUNDS = int(os.environ.get("API_ROUNDS", "300"))
FEW, MANY = 1_000, int(os.environ.get("API_REQUESTS", "100000"))
CALLERS = 32
# Of a web process's own memory: more would be a leak.
GROWTH = 1.2
CALLERS_SECONDS = 10.0
PIN, LIST = "/api/chat/pinMessage/shop", "/api/instance/list"


class Caller:
    """One connection that is kept open, as integrations do."""

    def __init__(self, scene: Scene) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", scene.portal.port, timeout=60)
        self._token = scene.token

    def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, float]:
        """The status, and how long it took in milliseconds."""
        headers = {"Content-Type": "application/json", "token": self._token if token is None else token}
        began = time.perf_counter()
        self._connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status, (time.perf_counter() - began) * 1000


@bench("api")
def api() -> Iterator[Figure]:
    """Over HTTP, against the real portal on SQLite; the callers share its two cores."""
    with stage() as (scene, bob):
        ids = [bob.send_text(scene.ana.jid, f"pin {number}") for number in range(3)]
        scene.stored(ids[-1], seconds=60)
        yield from _answers(scene, ids)
        yield from _memory(scene)
        yield Figure("api-requests-32-callers", _many_callers(scene), "requests/s")


def _answers(scene: Scene, ids: list[str]) -> Iterator[Figure]:
    caller = Caller(scene)
    # An account token: that of an instance hears 403 for names that are not there.
    account = scene.command("createtoken").strip()
    good = {"pin": True, "messageId": ids[0], "duration": "7d"}
    refused: dict[int, tuple[str, Any, str | None]] = {
        401: (PIN, good, "wap_nobodys"),
        404: ("/api/chat/pinMessage/nothing", good, account),
        400: (PIN, {**good, "messageId": ""}, None),
    }
    for status, (path, body, token) in refused.items():
        yield from _of(f"api-refused-{status}", [_timed(caller, path, body, token, status) for _ in range(ROUNDS)])
    # Each is a renewal with another duration, so that each is sent.
    durations = list(DURATIONS)
    pins = [(ids[number % 3], durations[number // 3 % 3]) for number in range(ROUNDS)]
    accepted = [_timed(caller, PIN, {**good, "messageId": one, "duration": d}, None, 200) for one, d in pins]
    yield from _of("api-accepted", accepted)


def _timed(caller: Caller, path: str, body: Any, token: str | None, wanted: int) -> float:
    status, took = caller.call("POST", path, body, token)
    assert status == wanted, status
    return took


def _of(name: str, took: list[float]) -> Iterator[Figure]:
    yield Figure(f"{name}-p50", median(took), "ms")
    yield Figure(f"{name}-p99", quantiles(took, n=100)[98], "ms")


def _many_callers(scene: Scene) -> float:
    until = time.perf_counter() + CALLERS_SECONDS
    counts = [0] * CALLERS

    def ask(number: int) -> None:
        caller = Caller(scene)
        while time.perf_counter() < until:
            assert caller.call("GET", LIST)[0] == 200
            counts[number] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / CALLERS_SECONDS


def _memory(scene: Scene) -> Iterator[Figure]:
    web = psutil.Process(scene.portal.pids()["web"])
    caller, few = Caller(scene), 0.0
    for number in range(MANY):
        if number == FEW:
            few = web.memory_full_info().uss / 2**20
        assert caller.call("GET", LIST)[0] == 200
    many = web.memory_full_info().uss / 2**20
    yield Figure(f"api-memory-after-{FEW}", few, "MiB")
    yield Figure(f"api-memory-after-{MANY}", many, "MiB")
    yield Figure("api-memory-growth", many / few, "times", at_most(GROWTH))
