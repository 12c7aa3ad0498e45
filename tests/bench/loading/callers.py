"""Many callers at once, in a process of their own: a plan as JSON comes in, what each was told goes out.

Run by `tests.bench.load`. Half of them keep their connection, half make one a
call, as programs do. Each calls again as soon as it has its answer; told to
wait, it waits, but for the rude ones.
"""

import asyncio
import contextlib
import json
import random
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

# No answer is as late as WhatsApp's own limit of 15 s: whoever hears nothing for so long hangs.
HUNG_SECONDS = 20.0
# Longer than the measurement lasts is long enough.
MOST_PATIENCE = 60.0
DURATIONS = {"24h": 86_400, "7d": 604_800, "30d": 2_592_000}
BUSY = (429, 503)


class Broken(Exception):
    """The connection ended before the answer did."""


@dataclass
class Told:
    """What one caller heard."""

    kind: str
    # [what was asked, status, seconds]
    answers: list[tuple[str, int, float]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    # [message id, seconds] of each pin that was said to be made, and of each whose outcome nobody knows.
    pinned: list[tuple[str, int]] = field(default_factory=list)
    unknown: list[tuple[str, int]] = field(default_factory=list)
    hung: int = 0
    broken: int = 0


@dataclass
class Answer:
    """One answer, whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> dict[str, Any]:
        """Its JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found


class Caller:
    """One program."""

    def __init__(self, plan: dict[str, Any], port: int, until: float) -> None:
        self._plan, self._port, self._until = plan, port, until
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turns = 0
        self.told = Told(plan["kind"])

    async def run(self) -> Told:
        """Call until the time is over."""
        while time.monotonic() < self._until:
            ask = getattr(self, f"_{random.choice(self._plan['asks'])}")
            answer = await ask()
            if answer is not None and answer.status in BUSY and not self._plan["rude"]:
                # As long as it was told, and not all at the same moment.
                wait = min(int(answer.headers.get("retry-after", 1)), MOST_PATIENCE) + random.random()
                await asyncio.sleep(min(wait, max(self._until - time.monotonic(), 0)))
        self._close()
        return self.told

    # --- What they ask, and what the answer must be ---------------------------------

    async def _pin(self) -> Answer | None:
        self._turns += 1
        duration = list(DURATIONS)[self._turns % 3]
        pin = (self._plan["message"], DURATIONS[duration])
        body = {"pin": True, "messageId": pin[0], "duration": duration}
        answer = await self._call("pin", "POST", f"/api/chat/pinMessage/{self._plan['instance']}", body)
        if answer is None or answer.status == 504:
            self.told.unknown.append(pin)
        elif answer.status == 200:
            self.told.pinned.append(pin)
            self._check(answer, (answer.said["pinned"], answer.said["message_id"]) == (True, pin[0]))
        else:
            # The next one has to differ from the last that was done, or it need not be sent.
            self._turns -= 1
        return answer

    async def _list(self) -> Answer | None:
        answer = await self._call("list", "GET", "/api/instance/list")
        if answer is not None and answer.status == 200:
            names = [instance["instanceName"] for instance in answer.said["instances"]]
            self._check(answer, names == self._plan["names"])
        return answer

    async def _search(self) -> Answer | None:
        word = self._plan["word"]
        answer = await self._call("search", "GET", f"/api/chat/search/{self._plan['instance']}?q={word}")
        if answer is not None and answer.status == 200:
            self._check(answer, [one["messageId"] for one in answer.said["messages"]] == [self._plan["message"]])
        return answer

    async def _history(self) -> Answer | None:
        body = {"number": self._plan["contact"], "count": 5}
        answer = await self._call("history", "POST", f"/api/chat/history/{self._plan['instance']}", body)
        if answer is not None and answer.status == 200:
            self._check(answer, answer.said["count"] == 5)
        return answer

    async def _page(self) -> Answer | None:
        path = random.choice(("/chats/", "/pins/", "/instances/", "/search/?q=message"))
        answer = await self._call("page", "GET", path)
        if answer is not None and answer.status == 200:
            self._check(answer, b"</html>" in answer.body)
        return answer

    async def _others(self) -> Answer | None:
        """Another account's instance is none."""
        return await self._call("others", "GET", "/api/chat/list/shop", wanted=404)

    async def _stranger(self) -> Answer | None:
        return await self._call("stranger", "GET", "/api/instance/list", wanted=401, token="wap_nobodys")

    async def _nonsense(self) -> Answer | None:
        path = f"/api/chat/pinMessage/{self._plan['instance']}"
        return await self._call("nonsense", "POST", path, {"pin": True, "messageId": ""}, wanted=400)

    def _check(self, answer: Answer, right: bool) -> None:
        if not right:
            self.told.wrong.append(f"{answer.status}: {answer.body[:300]!r}")

    # --- Over the wire ------------------------------------------------------------

    async def _call(
        self, name: str, method: str, path: str, body: Any = None, wanted: int = 200, token: str = ""
    ) -> Answer | None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(HUNG_SECONDS):
                answer = await self._exchange(method, path, body, token or self._plan["token"])
        except TimeoutError:
            self.told.hung += 1
            self._close()
            return None
        except (OSError, Broken, asyncio.IncompleteReadError) as error:
            self.told.broken += 1
            self.told.wrong.append(f"{name}: {error!r}")
            self._close()
            await asyncio.sleep(0.5)
            return None
        self.told.answers.append((name, answer.status, time.monotonic() - began))
        if answer.status in BUSY:
            self._check(answer, _honest(answer, page=name == "page"))
        elif answer.status != wanted:
            self._check(answer, False)
        return answer

    async def _exchange(self, method: str, path: str, body: Any, token: str) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        content = b"" if body is None else json.dumps(body).encode()
        lines = [
            f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(content)}",
            f"Cookie: {self._plan['cookie']}" if self._plan["cookie"] else f"token: {token}",
            "Content-Type: application/json", "" if self._plan["keeps"] else "Connection: close",
        ]  # fmt: skip
        writer.write("\r\n".join([*filter(None, lines), "", ""]).encode() + content)
        status, headers = _head(await reader.readuntil(b"\r\n\r\n"))
        if "content-length" in headers:
            answered = await reader.readexactly(int(headers["content-length"]))
        else:
            answered = await _chunks(reader)
        if not self._plan["keeps"] or headers.get("connection") == "close":
            self._close()
        return Answer(status, headers, answered)

    def _close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def _head(text: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = text.decode("latin1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    found = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        found += (await reader.readexactly(size + 2))[:size]
    await reader.readexactly(2)
    return found


def _honest(answer: Answer, *, page: bool) -> bool:
    """Whether a refusal says when to come again, and has a sentence."""
    if not answer.headers.get("retry-after", "").isdecimal() or int(answer.headers["retry-after"]) < 1:
        return False
    if page:
        return b"</html>" in answer.body
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return answer.said["success"] is False and len(answer.said["error"]["message"]) > 20
    return False


async def main(plan: dict[str, Any]) -> None:
    """Let all of them call, all at once."""
    until = time.monotonic() + plan["seconds"]
    found = await asyncio.gather(*(Caller(one, plan["port"], until).run() for one in plan["callers"]))
    counts = Counter(status for told in found for _, status, _ in told.answers)
    print(f"answers by status: {dict(sorted(counts.items()))}", file=sys.stderr, flush=True)
    json.dump([asdict(told) for told in found], sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(json.load(sys.stdin)))
