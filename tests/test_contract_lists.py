"""The values that docs/contract.md and docs/search.md list are those of the code and of the OpenAPI document."""

import re
from typing import Any

import pytest

from chats.models import Chat, Message
from chats.search.query import TYPES
from instances.states import State
from portal.rest import openapi
from tests.portal_process import ROOT

pytestmark = pytest.mark.sqlite_only

SAYING = set(Message.Kind.values) - set(Message.ACTIONS)


def listed(before: str, after: str, page: str = "contract.md") -> set[str]:
    """What stands in code's letters between two pieces of the page, each of which is there once."""
    text = (ROOT / "docs" / page).read_text()
    found = re.findall(re.escape(before) + r"(.*?)" + re.escape(after), text, re.DOTALL)
    assert len(found) == 1, f"{before}…{after}"
    return set(re.findall(r"`([a-z_]+)`", found[0]))


def answer(path: str) -> Any:
    """The schema of what a GET of this address answers with."""
    got = openapi.document()["paths"][path]["get"]
    return got["responses"]["200"]["content"]["application/json"]["schema"]["properties"]


def component(name: str) -> Any:
    return openapi.document()["components"]["schemas"][name]["properties"]


def test_types_of_messages() -> None:
    assert listed("`type` **(ours: the values)** is", "What acts on") == SAYING
    assert listed("what kind of message:", "|", "search.md") == SAYING == TYPES
    for properties in (
        component("Message"),
        answer("/api/chat/export/{instance}")["messages"]["items"]["properties"],
    ):
        assert set(properties["type"]["enum"]) == SAYING


def test_types_that_are_in_events_alone() -> None:
    """A pin is told as an event of its own."""
    told = set(Message.ACTIONS) - {Message.Kind.PIN}
    assert listed("in events alone ([`message.exchange`](events.md)), as", ".") == told


def test_types_of_chats() -> None:
    assert listed("`name`, `type` (", ")") == set(Chat.Kind.values)
    chat = answer("/api/chat/list/{instance}")["chats"]["items"]["properties"]
    assert set(chat["type"]["enum"]) == set(Chat.Kind.values)


def test_states_of_instances() -> None:
    assert listed("`state` **(ours: the values)** is", ";") == set(State.values)
    for properties in (component("Instance"), answer("/api/instance/connect/{instance}")):
        assert set(properties["state"]["enum"]) == set(State.values)
