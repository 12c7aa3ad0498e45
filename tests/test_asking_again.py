"""Messages that cannot be decrypted a second time are asked for: a few times, not as often as somebody likes."""

import time
from typing import Any

import pytest

from instances.whatsapp import asking
from instances.whatsapp.asking import MOST, Asking
from instances.whatsapp.events import Lost, Party
from tests.test_intake import make_instance

pytestmark = pytest.mark.django_db


class Desk:
    """Who asks, each at once."""

    def __init__(self) -> None:
        self.stored: list[Any] = []
        self.begun = 0
        self.asking = Asking(make_instance(), self._begin, lambda _, event: self.stored.append(event))

    def _begin(self) -> None:
        self.begun += 1

    def lost(self, message_id: str, sender: str = "1002:5@lid", chat: str = "") -> bool:
        asked = self.asking.lost(Lost(message_id, sender, chat))
        self.asking.take()
        return asked


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_whoever_uses_a_key_twice_cannot_have_us_reconnect_for_ever(desk: Desk) -> None:
    """Was red: each new id was asked for, with a reconnection of the whole instance every six seconds."""
    asked = [desk.lost(f"M{number}") for number in range(MOST + 3)]
    assert asked == [True] * MOST + [False] * 3
    assert desk.begun == MOST
    assert [(one.message_id, one.kind, one.sender) for one in desk.stored[:1]] == [
        (f"M{MOST}", "unreadable", Party("1002@lid"))
    ]
    assert desk.lost("OTHER", "1003:1@lid", "120363@g.us"), "others are asked all the same"


def test_it_is_forgotten_in_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(MOST):
        desk.lost(f"M{number}")
    later = time.monotonic() + asking.MOST_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert desk.lost("LATER")


def test_those_that_come_at_once_are_asked_for_at_once(desk: Desk) -> None:
    lost = [Lost(f"M{number}", "1002:5@lid", "") for number in range(MOST + 3)]
    assert all(map(desk.asking.lost, lost))
    assert desk.begun == 1
    assert desk.asking.pause == asking.GATHER_SECONDS
    assert desk.asking.take() == lost
    assert desk.asking.pause == asking.CALM_SECONDS, "what was asked for just now must arrive first"


def test_one_that_is_lost_again_and_again_is_given_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST", 100)
    assert [desk.lost("M1") for _ in range(asking.TIMES + 1)] == [True] * asking.TIMES + [False]
    assert not desk.stored


def test_what_could_not_be_asked_for_does_not_count(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST", 100)
    for _ in range(asking.TIMES + 2):
        assert desk.asking.lost(Lost("M1", "1002:5@lid", ""))
        desk.asking.not_asked(desk.asking.take())
