"""The terminal loads none of the portal: what it has written down for itself is what the portal has."""

from typing import Any

import click

from chats.errors import InvalidDuration, MessageNotFound
from chats.models import Batch, BatchItem, Pin, Rule, Schedule
from chats.rules import manage
from chats.selectors.figures import OUTCOMES
from instances import states
from instances.whatsapp.errors import NotConnected
from portal.cli import batches, figures, instances, messages, rules, schedules
from portal.rest.query import MOST


def kind_of(command: click.Command, name: str) -> Any:
    """What may be given for a parameter."""
    (kind,) = (one.type for one in command.params if one.name == name)
    return kind


def test_what_may_be_chosen() -> None:
    for command, name, portal in (
        (messages.pins, "state", (*Pin.State.values, "all")),
        (schedules.show, "state", (*Schedule.State.values, "all")),
        (batches.listing, "state", (*Batch.State.values, "all")),
        (batches.show, "state", (*BatchItem.State.values, "all")),
        (batches.start, "action", Batch.Action.values),
        (rules.add, "trigger", Rule.Trigger.values),
    ):
        assert set(kind_of(command, name).choices) == set(portal), (command.name, name)
    assert tuple(OUTCOMES) == figures.OUTCOMES


def test_how_many() -> None:
    for command in (messages.search, messages.history, messages.pins, schedules.show, batches.show, rules.hits):
        assert kind_of(command, "limit").max == MOST, command.name
    assert kind_of(rules.add, "an_hour").max == manage.MOST_AN_HOUR


def test_the_sentences_it_knows() -> None:
    assert instances.CODE_RAN_OUT == states.CODE_RAN_OUT
    assert str(NotConnected()) == instances.NOT_CONNECTED
    assert str(MessageNotFound("3EB0")) == messages.NO_MESSAGE.format("3EB0")
    assert str(InvalidDuration("8d")).startswith(messages.NO_DURATION)
