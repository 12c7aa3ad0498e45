"""What Python says to people is there in each language: what is marked, and what travels as a sentence of ours."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation

from chats import errors
from instances.whatsapp.adapter import endings, refusals
from instances.whatsapp.errors import Refused, WhatsAppError
from instances.words import in_words
from tests.test_words import LANGUAGES, entries

ROOT = Path(settings.BASE_DIR)
MARKS = {"_", "gettext", "gettext_noop", "gettext_lazy", "ngettext"}
# Where sentences arise that are not marked there: see `instances.words`.
SPEAKING = (
    "instances/proxies.py",
    "instances/preferences.py",
    "instances/whatsapp/errors.py",
    "instances/whatsapp/changes.py",
    "instances/whatsapp/adapter/endings.py",
    "instances/whatsapp/adapter/refusals.py",
    "instances/whatsapp/service.py",
    "chats/export/run.py",
)
# What is called with the reason of a state, which pages show.
STATING = {"state", "failed", "Stopped", "LoggedOut"}
# Stands where something of the moment will.
ANYTHING = "7"
# `sendText` alone says it, to programs.
OF_PROGRAMS = {errors.NoChat}


def written(tree: ast.AST) -> Iterator[str]:
    """The texts of more than one word, but for what explains the code or is logged: such calls are statements."""
    passed_over = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and (isinstance(node.value, ast.Constant) or _of_the_log(node.value)):
            passed_over |= {id(part) for part in ast.walk(node)}
        elif isinstance(node, ast.FormattedValue):  # How a time is written, say.
            passed_over.add(id(node.format_spec))
    for node in ast.walk(tree):
        text = ""
        if id(node) in passed_over:
            continue
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else ANYTHING for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        if " " in text:
            yield text


def _of_the_log(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func).startswith("log.")


def sentences(path: str) -> set[str]:
    """What begins as a sentence does."""
    return {text for text in written(ast.parse((ROOT / path).read_text())) if text[0].isupper()}


def reasons() -> set[str]:
    """What is given as a state's reason, however it begins."""
    found: set[str] = set()
    for path in (ROOT / "instances" / "whatsapp").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and name_of(node.func) in STATING:
                found.update(text for argument in node.args for text in written(argument))
    return found


def name_of(called: ast.expr) -> str:
    """What a function or method is called."""
    return called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")


def of_tables() -> set[str]:
    """What is looked up, not raised."""
    asked = ("is too short", "must not start with 0", "websocket not connected", "anything else")
    return {*filter(None, endings._LINKING.values()), *refusals._CODES.values(), *map(refusals.of_a_code, asked)}


def of_classes() -> set[str]:
    """What each exception says of itself."""
    kinds = [WhatsAppError, *vars(errors).values()]
    found = {kind for kind in kinds if inspect.isclass(kind) and issubclass(kind, Exception)}
    while more := {below for kind in found for below in kind.__subclasses__()} - found:
        found |= more
    own = {kind for kind in found if kind.__module__ in (errors.__name__, WhatsAppError.__module__)}
    return {str(_made(kind)) for kind in own - OF_PROGRAMS} - {""}


def _made(kind: type[Exception]) -> Exception:
    if kind.__init__ is Exception.__init__:
        return kind()  # It is told what to say, in one of the files above.
    if kind.__init__ is errors.RequestError.__init__:
        return kind("")  # The same.
    return kind(*[ANYTHING] * (len(inspect.signature(kind).parameters)))


def test_the_ways_to_find_them() -> None:
    """Each finds some, so that none passes because it looks at nothing."""
    assert {
        str(Refused(ANYTHING)),
        "Number is not on WhatsApp",
        f"message with ID {ANYTHING} not found",
    } <= of_classes()
    assert endings._LINKING["timeout"] in of_tables()
    assert f"The proxy's host {ANYTHING} cannot be found." in sentences("instances/proxies.py")
    assert [path for path in SPEAKING if not sentences(path)] == []
    assert {"its client could not be started", "the client library ended"} <= reasons()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_in_the_readers_language(language: str) -> None:
    """Was red: of a proxy, of linking and of what was not found pages in Portuguese spoke English."""
    said = of_tables() | of_classes() | reasons() | {text for path in SPEAKING for text in sentences(path)}
    with translation.override(language):
        assert [text for text in sorted(said) if in_words(text) == text] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_marked_word_is_listed(language: str) -> None:
    listed = {msgid.replace("\\n", "\n") for msgid, _ in entries(language)}
    marked: set[str] = set()
    for path in (path for part in ("chats", "instances", "portal") for path in (ROOT / part).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and name_of(node.func) in MARKS and isinstance(node.args[0], ast.Constant):
                marked.add(str(node.args[0].value))
    assert len(marked) > 200
    assert marked - listed == set()


def test_a_reason_that_is_a_sentence_itself() -> None:
    said = "WhatsApp gave no code (The code ran out.). Check this machine's internet connection and try again."
    with translation.override("pt"):
        assert "ran out" not in in_words(said)
        assert in_words("spam; until 2026-02-16 18:32 UTC") == "spam; até 2026-02-16 18:32 UTC"
