"""People and programs that use a portal for an hour: they write, pin, search, read pages and listen to news."""

import http.client
import itertools
import json
import random
import threading
import time
import traceback
import urllib.parse
from collections import Counter
from collections.abc import Callable
from typing import Any

from websockets.sync.client import connect

from chats.pins import DURATIONS
from tests.bench.fleets.instances import Fleet
from tests.e2e.scene import Scene
from tests.loopback import Actor

WORDS = ("order", "invoice", "delivery", "Tuesday", "address", "receipt", "payment", "oil", "oak", "chair", "lamp")
PINNED = "pinInChatMessage"
# Messages a second, at the pace of 1.
RATE = 20.0


class Traffic:
    """All of them, each on a thread; what they sent and were told is counted."""

    def __init__(self, scene: Scene, writer: Actor, pinned: Actor, fleet: Fleet, pace: float) -> None:
        """`pinned`: whose messages are pinned. Another one writes (docs/wire.md says why).

        `pace`: how many pins, searches and pages a second, how many times RATE messages, and how often somebody else
        listens.
        """
        self._scene, self._writer, self._pinned, self._fleet, self._pace = scene, writer, pinned, fleet, pace
        self.token = scene.command("createtoken").strip()
        self._over = threading.Event()
        self.sent: list[tuple[str, str]] = []
        self.pins: Counter[tuple[str, int]] = Counter()
        self.answers: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._names = itertools.cycle(fleet.messages)
        self._instances = list(fleet.jids)
        self._lock = threading.Lock()
        self._browser = scene.portal.signed_in()
        self._before = pins_seen(pinned)
        self.began = time.monotonic()
        works: list[tuple[float, Callable[[], None]]] = [
            (1 / (RATE * pace), self._write),
            (1 / pace, self._pin),
            (1 / pace, self._search),
            (1 / pace, self._page),
            *[(1 / pace, self._hear)] * 3,
            *[(1 / pace, self._listen)] * 3,
        ]
        self._threads = [threading.Thread(target=self._keep_on, args=work, daemon=True) for work in works]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Nobody begins anything any more."""
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _keep_on(self, seconds: float, work: Callable[[], None]) -> None:
        """Do it again and again, so often on average: who was held up makes up for it."""
        for number in itertools.count():
            due = self.began + number * seconds
            if self._over.wait(max(due - time.monotonic(), 0)):
                return
            try:
                work()
            except Exception:
                self.wrong.append(traceback.format_exc())

    # --- Messages and pins -------------------------------------------------------

    def _write(self) -> None:
        # Not one text twice in a row, and not so many that looking for them in the log takes hours.
        number = len(self.sent)
        text = f"{random.choice(WORDS)} {random.choice(WORDS)} number {number % 500}"
        # One after the other, all fifty files of keys would be full at the same moment, and be written back at once.
        name = random.choice(self._instances)
        self.sent.append((name, self._writer.send_text(self._fleet.jids[name], text)))

    def _pin(self) -> None:
        name = next(self._names)
        message_id = self._fleet.messages[name]
        duration = self._fleet.duration(name)
        body = {"pin": True, "messageId": message_id, "duration": duration}
        if self._ask("pin", "POST", f"/api/chat/pinMessage/{name}", body) == 200:
            with self._lock:
                self.pins[message_id, DURATIONS[duration]] += 1

    def pins_seen(self) -> Counter[tuple[str, int]]:
        """How often the contact's client was told to pin each message for each while, since this began."""
        return pins_seen(self._pinned) - self._before

    # --- Callers and readers -----------------------------------------------------

    def _search(self) -> None:
        name, words = random.choice(self._instances), urllib.parse.quote(f"{random.choice(WORDS)} number")
        self._ask("search", "GET", f"/api/chat/search/{name}?q={words}&limit=20")

    def _ask(self, kind: str, method: str, path: str, body: Any = None) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self._scene.portal.port, timeout=60)
        try:
            headers = {"Content-Type": "application/json", "token": self.token}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        self._count(f"{kind} {answer.status}", answer.status, said)
        return answer.status

    def _count(self, kind: str, status: int, said: bytes) -> None:
        with self._lock:
            self.answers[kind] += 1
        if status != 200:
            self.wrong.append(f"{kind}: {said[:500]!r}")

    def _page(self) -> None:
        chat = random.randint(1, len(self._fleet.jids))
        word = urllib.parse.quote(f"{random.choice(WORDS)} number")
        path = random.choice(
            ("/", "/chats/", f"/chats/{chat}/", f"/chats/{chat}/rows/", f"/search/?q={word}", "/pins/", "/instances/")
        )
        with self._browser.open(self._scene.portal.url + path, timeout=60) as page:
            self._count(f"page {page.status}", page.status, page.read())

    def _hear(self) -> None:
        """A page's stream of news, for a while."""
        until = time.monotonic() + random.uniform(5, 60) / self._pace
        with self._browser.open(f"{self._scene.portal.url}/live/", timeout=60) as stream:
            while time.monotonic() < until and not self._over.is_set():
                assert stream.readline(), "the stream ended"
        self.answers["stream"] += 1

    def _listen(self) -> None:
        """A program's WebSocket, for a while."""
        until = time.monotonic() + random.uniform(5, 60) / self._pace
        name = random.choice(self._instances)
        url = f"ws://127.0.0.1:{self._scene.portal.port}/ws/{name}"
        with connect(url, additional_headers={"token": self.token}) as socket:
            while time.monotonic() < until and not self._over.is_set():
                try:
                    socket.recv(timeout=1)
                except TimeoutError:
                    continue
        self.answers["websocket"] += 1


def pins_seen(actor: Actor) -> Counter[tuple[str, int]]:
    """How often an actor's client was told to pin each message, by id and seconds."""
    return Counter(
        (pin["key"]["ID"], int(event["message"]["messageContextInfo"]["messageAddOnDurationInSecs"]))
        for event in actor.received()
        if (pin := event["message"].get(PINNED)) and pin["type"] == "PIN_FOR_ALL"
    )
