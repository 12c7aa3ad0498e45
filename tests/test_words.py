"""Every word of the pages is there in each language, and the compiled files are those of the written ones."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation

from instances.words import in_words

LOCALE = Path(settings.BASE_DIR) / "locale"
LANGUAGES = [code for code, _ in settings.LANGUAGES if code != "en"]


def entries(language: str) -> list[tuple[str, str]]:
    """(msgid, msgstr) of a .po file, plurals by their first form."""
    text = (LOCALE / language / "LC_MESSAGES" / "django.po").read_text()
    text = re.sub(r'"\n"', "", text)
    found = re.findall(r'^msgid "(.*)"\n(?:msgid_plural ".*"\n)?msgstr(?:\[0\])? "(.*)"$', text, re.MULTILINE)
    return [(one.replace('\\"', '"'), other.replace('\\"', '"')) for one, other in found if one]


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_works(language: str) -> None:
    with translation.override(language):
        wrong = [msgid for msgid, msgstr in entries(language) if "%(days)s" not in msgid and _said(msgid) != msgstr]
    assert len(entries(language)) > 200
    assert wrong == [], "run manage.py compilemessages"


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_left_untranslated(language: str) -> None:
    assert [msgid for msgid, msgstr in entries(language) if not msgstr] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_filled_in_is_the_same_in_each_language(language: str) -> None:
    names = re.compile(r"%\(\w+\)[sd]")
    wrong = [
        msgid for msgid, msgstr in entries(language) if sorted(names.findall(msgid)) != sorted(names.findall(msgstr))
    ]
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_the_templates_is_listed(language: str) -> None:
    listed = {msgid for msgid, _ in entries(language)}
    root = Path(settings.BASE_DIR)
    used = {
        match[2]
        for path in (root / "templates").rglob("*.html")
        for match in re.finditer(r"""\{% translate (["'])(.*?)\1 %\}""", path.read_text())
    }
    assert used - listed == set()


def test_sentences_with_something_of_the_moment_in_them() -> None:
    """Was red: a plan's page in Portuguese had its refusals in English."""
    deleted = "message with ID AC(1) was deleted for everyone: it cannot be pinned"
    with translation.override("pt"):
        assert in_words(deleted) == "a mensagem com ID AC(1) foi apagada para todos: não pode ser fixada"
        assert in_words("WhatsApp refused the message: 9\n1%") == "O WhatsApp recusou a mensagem: 9\n1%"
        assert in_words("heard late") == "soube-se tarde"
        assert (in_words(""), in_words("100% %(id)s")) == ("", "100% %(id)s")
    assert in_words(deleted) == deleted


def _said(msgid: str) -> str:
    said = translation.gettext(msgid)
    return said if said != msgid else translation.ngettext(msgid, msgid, 1)
