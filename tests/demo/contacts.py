"""The live contacts: they write now and then, and they answer when they see a pin."""

import random
import threading
from collections.abc import Callable
from typing import Any

from tests.demo import talk
from tests.loopback import Actor

ANSWERS = ("I see it pinned on top, thank you!", "Pinned, very handy 👍", "Ah, now I find it at once. Thanks!")
SECONDS = (20.0, 60.0)


class Contact(threading.Thread):
    """One actor's mind."""

    def __init__(self, actor: Actor, to: str, stop: threading.Event, seed: int) -> None:
        super().__init__(daemon=True)
        self.actor, self.to, self.stop = actor, to, stop
        self.dice = random.Random(seed)

    def run(self) -> None:
        """Until the demonstration ends."""
        seen = self.actor.mark()
        self._try(self.actor.active_receipts)
        wait = self.dice.uniform(*SECONDS)
        while not self.stop.wait(0.5):
            wait -= 0.5
            events, seen = self.actor.events[seen:], len(self.actor.events)
            for kind, data in events:
                if kind == "message" and not data["group"] and not data["from_me"]:
                    self._try(lambda data=data: self._read(data))  # type: ignore[misc]
                if kind == "message" and data.get("edit") == "2" and not data.get("only_sender_key"):
                    self._try(lambda data=data: self._answer(data))  # type: ignore[misc]
            if wait < 0:
                wait = self.dice.uniform(*SECONDS)
                self._try(lambda: self.actor.send_text(self.to, talk.line(self.dice, talk.CUSTOMER)))

    def _read(self, data: dict[str, Any]) -> None:
        self.actor.mark_read([data["id"]], data["chat"], data["sender"])

    def _answer(self, data: dict[str, Any]) -> None:
        if data["group"]:
            return
        message = data.get("message")
        pinning = isinstance(message, dict) and "messageContextInfo" in message
        self.actor.send_text(
            self.to, self.dice.choice(ANSWERS) if pinning else "It is no longer pinned on my side, fine."
        )

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:
            if not self.stop.is_set():
                print(f"{self.actor.account.name} could not write: {error}")
