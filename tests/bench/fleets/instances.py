"""A portal whose number of linked instances grows, each with a message of Bob's to pin."""

import http.client
import itertools
import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from statistics import median, quantiles

import psutil

from chats.pins import DURATIONS
from tests.bench.fleets.twins import Files, Twins, enter
from tests.e2e.scene import Scene, wait
from tests.loopback import Actor

CONNECT_SECONDS = 300.0
REST_SECONDS = 3.0
CALLERS = 16
MIB = 2**20


class Fleet:
    """The scene's instance "shop" is the first; the others are its twins."""

    def __init__(self, scene: Scene, bob: Actor) -> None:
        self._scene, self._bob = scene, bob
        self._twins = Twins(scene.ana)
        self._files = Files(scene.folder / "data" / "sessions")
        self._token = scene.command("createtoken").strip()
        # Instance → the id of Bob's message there, and its phone's JID.
        self.messages: dict[str, str] = {}
        self.jids: dict[str, str] = {}
        # Instance → how often it was asked to pin.
        self._turns: Counter[str] = Counter()
        self._meet({"shop": scene.ana.jid})

    def __len__(self) -> int:
        return len(self.messages)

    def grow(self, size: int) -> None:
        """Link twins until there are `size` instances, connected, with a message each that was pinned once."""
        twins = self._twins.make(size - len(self))
        for twin in twins:
            self._files.make(twin)
        began = time.time()
        enter(self._scene.portal.environment, twins)
        self.wait_connected(len(twins), since=began)
        self._meet({twin.name: twin.account.jid for twin in twins})

    def _meet(self, jids: dict[str, str]) -> None:
        met = {name: self._bob.send_text(jid, f"a message for {name}") for name, jid in jids.items()}
        for message_id in met.values():
            self._scene.stored(message_id, seconds=60)
        self.messages |= met
        self.jids |= jids
        for name in met:
            self.pin(name)

    def wait_connected(self, count: int, since: float) -> None:
        """Wait until so many instances have become connected after a time in Unix seconds."""
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(since))
        query = "SELECT count(*) FROM instances_instance WHERE state = 'connected' AND state_at >= ?"
        wait(lambda: self._scene.database.one(query, moment) >= count, CONNECT_SECONDS, f"{count} connections")

    def duration(self, name: str) -> str:
        """For how long to pin this time: for another while than the last time, or it would not be sent."""
        self._turns[name] += 1
        return list(DURATIONS)[self._turns[name] % 3]

    def pin_often(self, times: int) -> None:
        """Let every instance pin its message so many times."""

        def call(names: list[str]) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self._scene.portal.port, timeout=60)
            for name in names * times:
                status, said = self._ask(name, connection)
                assert status == 200, said

        names = list(self.messages)
        with ThreadPoolExecutor(CALLERS) as callers:
            list(callers.map(call, (names[number::CALLERS] for number in range(CALLERS))))

    # --- What is measured -----------------------------------------------------

    def pin(self, name: str) -> float:
        """Pin the instance's message over HTTP, each time for another while, so that it is sent; milliseconds."""
        began = time.perf_counter()
        status, said = self._ask(name, http.client.HTTPConnection("127.0.0.1", self._scene.portal.port, timeout=60))
        took = time.perf_counter() - began
        assert status == 200, said
        return took * 1000

    def _ask(self, name: str, connection: http.client.HTTPConnection) -> tuple[int, bytes]:
        body = json.dumps({"pin": True, "messageId": self.messages[name], "duration": self.duration(name)})
        headers = {"Content-Type": "application/json", "token": self._token}
        connection.request("POST", f"/api/chat/pinMessage/{name}", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def latency(self, rounds: int) -> tuple[float, float]:
        """p50 and p99 in milliseconds of pins one after the other, by all instances in turn."""
        names = itertools.cycle(self.messages)
        took = [self.pin(next(names)) for _ in range(rounds)]
        return median(took), quantiles(took, n=100)[98]

    def rate(self, seconds: float) -> tuple[float, int]:
        """Pins a second by callers at once, each with its share of the instances; and how many were not confirmed."""
        until = time.perf_counter() + seconds
        names, outcomes = list(self.messages), Counter[int]()

        def call(number: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self._scene.portal.port, timeout=60)
            for name in itertools.cycle(names[number::CALLERS]):
                if time.perf_counter() > until:
                    return
                outcomes[self._ask(name, connection)[0]] += 1

        threads = [threading.Thread(target=call, args=(number,)) for number in range(min(CALLERS, len(names)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return outcomes.pop(200, 0) / seconds, outcomes.total()

    def memory(self) -> float:
        """MiB of the connector: shared pages count in parts."""
        time.sleep(REST_SECONDS)
        return float(self._connector().memory_full_info().pss / MIB)

    def cold(self) -> float:
        """Kill the connector; seconds from the start of the next one until all are connected."""
        before = self._connector()
        before.kill()
        wait(lambda: self._scene.portal.pids().get("connector", before.pid) != before.pid, what="the next connector")
        began = self._connector().create_time()
        self.wait_connected(len(self), since=began)
        return time.time() - began

    def _connector(self) -> psutil.Process:
        return psutil.Process(self._scene.portal.pids()["connector"])
