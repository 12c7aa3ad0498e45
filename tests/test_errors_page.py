"""docs/errors.md says what to do about each error that the OpenAPI document knows, and about no other."""

import re
from pathlib import Path

import pytest

from portal import live, patience, websocket
from portal.rest import openapi
from portal.rest.errors import NOT_OUR_HOST, SENTENCES
from tests.portal_process import ROOT

pytestmark = pytest.mark.sqlite_only

PAGE: Path = ROOT / "docs" / "errors.md"
# Those no operation has: there is no operation.
OUTSIDE = {
    (400, NOT_OUR_HOST),
    (404, SENTENCES[404]),
    (405, "Method PUT is not allowed here: use POST"),
    (400, patience.NO_HTTP),
    (408, patience.TOO_SLOW),
    (431, patience.TOO_LARGE),
    (403, websocket.NOT_OUR_PAGE),
    (503, websocket.NO_EVENTS),
    (429, live.FULL.format(live.A_TOKEN)),
    (503, live.CROWDED),
}


def errors() -> set[tuple[int, str]]:
    """Status and sentence of every error an operation may answer with."""
    return OUTSIDE | {
        (int(status), example["value"]["error"]["message"])
        for methods in openapi.document()["paths"].values()
        for operation in methods.values()
        for status, answer in operation["responses"].items()
        if int(status) >= 400
        for example in answer["content"]["application/json"]["examples"].values()
    }


def rows() -> list[tuple[int, str, str]]:
    """Status, sentence and advice of every line of the page."""
    found = re.findall(r"^\| (\d{3}) \| `(.+?)` \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    return [(int(status), sentence, advice) for status, sentence, advice in found]


def fits(row: tuple[int, str, str], error: tuple[int, str]) -> bool:
    pattern = ".+".join(map(re.escape, row[1].split("…")))
    return row[0] == error[0] and re.fullmatch(pattern, error[1]) is not None


def test_every_error_is_there() -> None:
    missing = [error for error in sorted(errors()) if sum(fits(row, error) for row in rows()) != 1]
    assert missing == [], "say in docs/errors.md, in one line each, what to do about these"


def test_nothing_is_made_up() -> None:
    assert [row[:2] for row in rows() if not any(fits(row, error) for error in errors())] == []


def test_each_says_what_to_do() -> None:
    assert [row for row in rows() if len(row[2]) < 15] == []
    assert len(rows()) >= 45
