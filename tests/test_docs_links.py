"""Every link of the documentation leads somewhere, and every page of docs/ is one that README leads to."""

import re
from pathlib import Path

import pytest

from tests.portal_process import ROOT

pytestmark = pytest.mark.sqlite_only

DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
OUTSIDE = ("http://", "https://", "mailto:")


def links(page: Path) -> list[tuple[Path, str]]:
    """The file and the heading that each link of a page leads to."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    found = [link.partition("#") for link in LINK.findall(text) if not link.startswith(OUTSIDE)]
    return [((page.parent / name).resolve() if name else page, heading) for name, _, heading in found]


def headings(page: Path) -> set[str]:
    """What headings are called in links."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in found}


def test_each_leads_somewhere() -> None:
    wrong = [
        f"{page.relative_to(ROOT)}: {there.name}#{heading}"
        for page in PAGES
        for there, heading in links(page)
        if not there.exists() or (heading and heading not in headings(there))
    ]
    assert wrong == []
    assert sum(len(links(page)) for page in PAGES) > 40


def test_each_page_is_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in seen and page.suffix == ".md":
            seen.add(page)
            ahead += [there for there, _ in links(page)]
    assert {page for page in DOCS.glob("*.md")} - seen == set()
