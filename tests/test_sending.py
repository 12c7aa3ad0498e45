"""An order whose time is over is not sent, wherever it waited."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest

from instances.models import Instance
from instances.whatsapp import service
from instances.whatsapp.adapter import Client
from instances.whatsapp.commands import PinOrder, TextOrder
from instances.whatsapp.custody import Custody
from instances.whatsapp.errors import Busy, NotConfirmed
from instances.whatsapp.events import MessageArrived, Party
from instances.whatsapp.sending import Sending, send_text
from instances.whatsapp.threads import Threads

pytestmark = pytest.mark.sqlite_only

PIN: dict[str, Any] = {"attempt": "0" * 32, "chat": "1002@lid", "message_id": "3EB0", "from_me": False}


def order(seconds: float) -> PinOrder:
    return PinOrder(**PIN, participant=None, duration=86_400, deadline=time.time() + seconds, epoch=1)


class Asked(Client):
    """A client whose questions to WhatsApp take their time; what it would send is kept."""

    def __init__(self, seconds: float) -> None:
        self.sent: list[Any] = []
        self._seconds = seconds
        self._may_send = lambda: True
        self._custody = Custody(lambda _: True, lambda _: False)
        self._hindrances = self._people = self._client = mock.MagicMock()
        self._hindrances.check_contact.side_effect = self._hindrances.check_group.side_effect = self._ask
        self._client.send_message.side_effect = self._send

    def _send(self, *given: Any) -> Any:
        self.sent.append(given)
        return mock.MagicMock(ID="X")

    def _ask(self, _: str) -> None:
        time.sleep(self._seconds)


@pytest.mark.parametrize("participant", [None, "1003@lid"])
def test_whatsapp_takes_its_time_over_a_question_before_a_pin(participant: str | None) -> None:
    """Was red: the stanza went out, long after the caller had heard that it did not come about."""
    client, asked = Asked(0.3), order(0.2)
    with pytest.raises(Busy):
        client.send_pin("1002@lid", "3EB0", False, participant, 86_400, lambda: asked.in_time)
    assert not client.sent
    asked = order(60)
    client.send_pin("1002@lid", "3EB0", False, participant, 86_400, lambda: asked.in_time)
    assert len(client.sent) == 1


def test_whatsapp_takes_its_time_over_a_question_before_a_text() -> None:
    client = Asked(0.3)
    text = TextOrder(chat="1002@lid", known=True, text="x", deadline=time.time() + 0.2, epoch=1)
    with pytest.raises(Busy):
        client.send_text("1002@lid", "x", None, look_up=False, in_time=lambda: text.in_time)
    assert not client.sent


def test_what_the_caller_of_a_text_hears() -> None:
    """As a connector tells it, through JSON; one of an earlier version named the message alone."""
    at = datetime(2026, 2, 16, 18, 32, 39, tzinfo=UTC)
    chat, me = Party("1002@lid", "551@s.whatsapp.net"), Party("1001@lid")
    client: Any = mock.Mock()
    client.send_text.return_value = MessageArrived("3EB0", chat, me, False, True, at, "text", "x")
    text = TextOrder(chat="1002@lid", known=True, text="x", deadline=time.time() + 60, epoch=1)
    reply = json.loads(json.dumps(send_text(text, mock.Mock(), client)))
    for heard, sent in (
        (reply, service.Sent("3EB0", "551@s.whatsapp.net", at)),
        ({"message_id": "3EB0"}, service.Sent("3EB0")),
    ):
        with mock.patch.object(service, "_ask", return_value=heard):
            assert service.send_text(Instance(), text) == sent


def carried_out(pool: ThreadPoolExecutor, *orders: PinOrder, work: Callable[[Any], Any]) -> list[Any]:
    """What their callers hear."""

    async def go() -> list[Any]:
        sending = Sending(Threads(pool))
        client: Any = object()
        asked = (sending.carry_out(one, client, work) for one in orders)
        heard = await asyncio.gather(*asked, return_exceptions=True)
        await sending.rest(5)
        return heard

    return asyncio.run(go())


def test_one_that_waits_for_an_earlier_one_is_not_sent() -> None:
    sent: list[Any] = []

    def work(client: Any) -> dict[str, Any]:
        sent.append(client)
        time.sleep(0.4)
        return {}

    with ThreadPoolExecutor(2) as pool:
        first, second = carried_out(pool, order(60), order(0.2), work=work)
    assert first == {}
    assert isinstance(second, Busy)
    assert len(sent) == 1


def test_one_that_has_begun_may_still_come_about() -> None:
    """Its caller hears that nobody knows."""
    done = threading.Event()

    def work(_: Any) -> dict[str, Any]:
        time.sleep(1.5)
        done.set()
        return {}

    with ThreadPoolExecutor(2) as pool:
        # Time enough to begin, on a busy machine too.
        (heard,) = carried_out(pool, order(1), work=work)
    assert isinstance(heard, NotConfirmed)
    assert done.is_set()
