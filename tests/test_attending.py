"""What an instance does by itself while it is connected; the library is played."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import Mock, call

import pytest

from instances.models import Instance
from instances.whatsapp.attending import Attending
from instances.whatsapp.events import Party
from tests.test_intake import GROUP, arrived, own

pytestmark = pytest.mark.sqlite_only


def marked(*messages: Any, wanted: bool = True) -> list[Any]:
    """What is marked as read of these."""
    client = Mock()
    with ThreadPoolExecutor(1) as pool:
        attending = Attending(Instance(read_automatically=wanted), pool)
        for message in messages:
            attending.arrived(message)
        attending.tick(client)
    assert not attending.due
    return list(client.mark_read.call_args_list)


def test_what_comes_in_is_marked_as_read() -> None:
    bob = Party("1002@lid")
    in_group: dict[str, Any] = {"chat": Party(GROUP), "sender": bob, "is_group": True}
    told = marked(
        arrived("A", chat=bob, sender=bob),
        arrived("B", **in_group),
        arrived("C", chat=bob, sender=bob),
        own("D"),
        arrived("E", chat=bob, sender=bob, kind="reaction"),
    )
    assert told == [call("1002@lid", "1002@lid", ["A", "C"]), call(GROUP, "1002@lid", ["B"])]
    assert marked(arrived("A"), wanted=False) == []


@pytest.mark.parametrize("chat", ["status@broadcast", "5511900000002-1@broadcast", "120363@newsletter"])
def test_what_nobody_here_has_looked_at(chat: str) -> None:
    """Was red: contacts saw in their status that it had been viewed, moments after they wrote it."""
    assert marked(arrived("A", chat=Party(chat), is_group=True)) == []


def test_texts_do_not_wait_with_them() -> None:
    """Was red: ten thousand messages waited whole, each of up to sixteen megabytes."""
    attending = Attending(Instance(read_automatically=True), Mock())
    attending.arrived(arrived("A", "a long text", chat=Party("1@lid"), sender=Party("1@lid")))
    assert list(attending._unread) == [("1@lid", "1@lid", "A")]
