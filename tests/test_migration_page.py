"""docs/migration.md sends nobody to an address that is not there."""

import re

import pytest

from portal.rest import openapi
from tests.portal_process import ROOT

pytestmark = pytest.mark.sqlite_only

CALL = re.compile(r"\b(GET|POST|DELETE) (/api/[A-Za-z]+/[A-Za-z]+(?:/[{:]instance\}?)?)")


def calls_here() -> set[tuple[str, str]]:
    """Method and path of all that stands in the tables' right column."""
    page = (ROOT / "docs" / "migration.md").read_text()
    here = [row.split(" | ", 1)[1] for row in re.findall(r"^\| (.+) \|$", page, re.MULTILINE)]
    found = {found for cell in here for found in CALL.findall(cell)}
    return {(method.lower(), re.sub(r"[{:]instance\}?", "{instance}", path)) for method, path in found}


def test_every_address_is_one_of_ours() -> None:
    paths = openapi.document()["paths"]
    known = {(method, path) for path, methods in paths.items() for method in methods}
    assert len(calls_here()) >= 12
    assert calls_here() - known == set()
