"""What the contacts sent and saw, against what the portal stored and said."""

import http.client
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from instances.whatsapp.errors import NotConnected
from tests.e2e.scene import Scene
from tests.kills.house import until
from tests.loopback import Actor

# WhatsApp's acknowledgement is waited for 4 s here (`Scene`): a caller that hears nothing for so long hangs.
HUNG_SECONDS = 30.0
SETTLE_SECONDS = 90.0
# Done; not to be had just now; not known. And no answer: the connection broke, or it hung.
HONEST = (200, 503, 504, 0, -1)
RECORDED = ("acknowledged", "refused", "not_sent")


@dataclass
class Writing:
    """A contact that writes without a pause; `ids` are those that WhatsApp has acknowledged."""

    actor: Actor
    to: str
    pause: float = 0.05
    ids: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(self.pause):
            self.ids.append(self.actor.send_text(self.to, f"what Bob writes, {len(self.ids)}"))

    @property
    def goes_on(self) -> bool:
        """Whether messages still come: a round without them would show nothing."""
        return self._thread.is_alive()

    def end(self) -> None:
        """The last message has been sent."""
        self._over.set()
        self._thread.join(60)


@dataclass
class Said:
    """What a caller was told of a pin: the status, 0 when the connection broke, -1 when it hung; and the sentence."""

    message_id: str
    status: int
    seconds: float
    sentence: str = ""

    @property
    def is_strange(self) -> bool:
        """Whether a caller can do nothing about it."""
        return self.status not in HONEST and (self.status, self.sentence) != (500, str(NotConnected()))


class Calling:
    """Integrations that pin one message after the other, each once, over HTTP."""

    def __init__(self, scene: Scene, ids: list[str], callers: int = 3) -> None:
        self._scene = scene
        self._ids = iter(ids)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.said: list[Said] = []
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(callers)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._over.wait(random.uniform(0.2, 0.6)):
            with self._lock:
                message_id = next(self._ids, None)
            if message_id is None:
                return
            said = self._pin(message_id)
            while said is None and not self._over.wait(0.5):
                said = self._pin(message_id)
            if said is not None:
                self.said.append(said)
                if said.status != 200 and self._over.wait(1.5):
                    return

    def _pin(self, message_id: str) -> Said | None:
        """What one caller heard; None when nobody took the call."""
        body = json.dumps({"pin": True, "messageId": message_id, "duration": "7d"})
        headers = {"Content-Type": "application/json", "token": self._scene.token}
        connection = http.client.HTTPConnection("127.0.0.1", self._scene.portal.port, timeout=HUNG_SECONDS)
        began, sentence = time.monotonic(), ""
        try:
            connection.request("POST", "/api/chat/pinMessage/shop", body, headers)
            answer = connection.getresponse()
            status, said = answer.status, answer.read()
            sentence = "" if status == 200 else json.loads(said)["error"]["message"]
        except ConnectionRefusedError:
            return None
        except TimeoutError:
            status = -1
        except ValueError:
            sentence = "no JSON"
        except (OSError, http.client.HTTPException):
            status = 0
        finally:
            connection.close()
        return Said(message_id, status, time.monotonic() - began, sentence)

    def end(self) -> None:
        """Every caller has heard something."""
        self._over.set()
        for thread in self._threads:
            thread.join(HUNG_SECONDS + 30)
            if thread.is_alive():
                self.said.append(Said("", -1, HUNG_SECONDS + 30))


@dataclass(frozen=True)
class Reckoning:
    """The numbers that must be nought, and those that say how much was tried."""

    messages: int
    lost: int
    unreadable: int
    doubled: int
    pins: int
    confirmed: int
    said_not_done: int
    # The portal's own record against what the contact saw, whatever the caller heard.
    recorded_not_done: int
    done_recorded_not: int
    done_twice: int
    hung: int
    # Answers that are none of those a caller can do something about.
    strange: int
    answers: dict[int, int]

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, doubled, untrue or hung."""
        untrue = self.said_not_done or self.recorded_not_done or self.done_recorded_not or self.done_twice
        return not (self.lost or self.doubled or untrue or self.hung or self.strange)


def reckon(scene: Scene, sent: list[str], said: list[Said], contact: Actor) -> Reckoning:
    """Wait until all that can come has come, and count."""
    query = "SELECT message_id, kind FROM chats_message WHERE NOT from_me"

    def rows() -> list[tuple[Any, ...]]:
        return scene.database.rows(query)

    until(lambda: set(sent) <= {message_id for message_id, kind in rows() if kind == "text"}, SETTLE_SECONDS)
    done = {one.message_id for one in said if one.status == 200}
    # What is recorded was seen a moment before, or is seen a moment later: its client has to open it first.
    until(lambda: done | _known(scene, "acknowledged") <= set(pins_seen(contact)), SETTLE_SECONDS)
    recorded = {kind: _known(scene, kind) for kind in RECORDED}
    stored, wanted = rows(), set(sent)
    copies = Counter(message_id for message_id, _ in stored)
    readable = {message_id for message_id, kind in stored if kind != "unreadable"}
    seen = pins_seen(contact)
    return Reckoning(
        messages=len(wanted),
        lost=len(wanted - readable),
        unreadable=len(wanted & set(copies) - readable),
        doubled=sum(copies[one] > 1 for one in wanted),
        pins=len(said),
        confirmed=len(done),
        said_not_done=len(done - set(seen)),
        recorded_not_done=len(recorded["acknowledged"] - set(seen)),
        done_recorded_not=len(set(seen) & (recorded["refused"] | recorded["not_sent"]) - recorded["acknowledged"]),
        done_twice=sum(count > 1 for count in seen.values()),
        hung=sum(one.status == -1 for one in said),
        strange=sum(one.is_strange for one in said),
        answers=dict(Counter(one.status for one in said)),
    )


def _known(scene: Scene, kind: str) -> set[str]:
    """The messages of whose pins this is recorded."""
    found = scene.database.rows(
        "SELECT m.message_id FROM chats_pinevent e JOIN chats_pin p ON p.id = e.pin_id"
        " JOIN chats_message m ON m.id = p.message_id WHERE e.pinning AND e.kind = ?",
        kind,
    )
    return {message_id for (message_id,) in found}


def pins_seen(contact: Actor) -> Counter[str]:
    """How often the contact's client was told to pin each message."""
    return Counter(
        pin["key"]["ID"]
        for event in contact.received()
        if (pin := event["message"].get("pinInChatMessage")) and pin["type"] == "PIN_FOR_ALL"
    )
