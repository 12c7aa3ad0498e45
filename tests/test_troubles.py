"""Whatever is wrong with a form has a sentence of its own, in each language."""

from enum import Enum

import pytest
from django.conf import settings
from django.utils import translation

from chats.errors import InvalidDuration, MessageDeleted, RequestError
from chats.rules import manage
from chats.rules.manage import InvalidRule
from chats.schedule import wish
from chats.schedule.wish import InvalidSchedule
from chats.views import troubles

# What REST would say: no page shows it.
REST = "anHour may be many"


def every() -> list[RequestError]:
    plans: list[RequestError] = [InvalidSchedule(fault, REST) for fault in wish.Fault]
    return [*plans, *(InvalidRule(fault, REST) for fault in manage.Fault), InvalidDuration(REST)]


def said(language: str) -> list[str]:
    with translation.override(language):
        return [troubles.words(error) for error in every()]


@pytest.mark.parametrize("language", [code for code, _ in settings.LANGUAGES])
def test_it_works(language: str) -> None:
    sentences = said(language)
    assert [one for one in sentences if REST in one or not one.endswith(".")] == []
    assert len(set(sentences)) == len(sentences), "each says something of its own"
    if language != "en":
        english = said("en")
        assert [one for one in sentences if one in english] == [], "left untranslated"


@pytest.mark.parametrize(("faults", "sentences"), [(wish.Fault, troubles.PLAN), (manage.Fault, troubles.RULE)])
def test_no_sentence_is_of_a_fault_that_is_no_more(faults: type[Enum], sentences: dict[Enum, str]) -> None:
    assert list(sentences) == list(faults)


def test_what_befell_the_message_is_said_as_everywhere() -> None:
    with translation.override("pt"):
        assert "foi apagada para todos" in troubles.words(MessageDeleted("AC1"))
