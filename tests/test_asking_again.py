"""Messages that cannot be decrypted a second time are asked for: a few times, not as often as somebody likes."""

import time
from collections import Counter, defaultdict, deque
from typing import Any

import pytest

from instances.whatsapp import session
from instances.whatsapp.events import Lost, Party
from instances.whatsapp.session import ASK_MOST, Session

pytestmark = pytest.mark.sqlite_only


class Desk:
    """A session of which only what hears of lost messages is real."""

    def __init__(self) -> None:
        self.stored: list[Any] = []
        self.gathered: list[Lost] = []
        made: Any = Session.__new__(Session)
        self.session = made
        made._asked = Counter()
        made._asked_of = defaultdict(deque)
        made._writer = made._loop = made.instance = self
        self.uid = "u"

    def put(self, _: Any, event: Any) -> None:
        self.stored.append(event)

    def call_soon_threadsafe(self, _: Any, lost: Lost) -> None:
        self.gathered.append(lost)
        # As `_ask_again` does for each reconnection.
        self.session._asked_of[lost.sender].append(time.monotonic())


def test_whoever_uses_a_key_twice_cannot_have_us_reconnect_for_ever() -> None:
    """Was red: each new id was asked for, with a reconnection of the whole instance every six seconds."""
    desk = Desk()
    asked = [desk.session._on_lost(Lost(f"M{number}", "1002:5@lid", "")) for number in range(ASK_MOST + 3)]
    assert asked == [True] * ASK_MOST + [False] * 3
    assert [(one.message_id, one.kind, one.sender) for one in desk.stored[:1]] == [
        (f"M{ASK_MOST}", "unreadable", Party("1002@lid"))
    ]
    assert desk.session._on_lost(Lost("OTHER", "1003:1@lid", "120363@g.us")), "others are asked all the same"


def test_it_is_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    for number in range(ASK_MOST):
        desk.session._on_lost(Lost(f"M{number}", "1002:5@lid", ""))
    later = time.monotonic() + session.ASK_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert desk.session._on_lost(Lost("LATER", "1002:5@lid", ""))
