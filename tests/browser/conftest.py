"""Fixtures: one browser and one house for all browser tests; people come and go."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import MISSING, chromium, find
from tests.browser.house import PASSWORD, House, house
from tests.browser.person import Person

MakePerson = Callable[..., Person]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    if find() is None:
        pytest.skip(MISSING)
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def home(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The portal, WhatsApp and Ana. Asks for the browser first: without one there is nothing to build."""
    folder: Path = tmp_path_factory.mktemp("house")
    with house(folder) as built:
        yield built


@pytest.fixture
def person(browser: Browser, home: House) -> Iterator[MakePerson]:
    """`person("bob")`: signed in at a browser of their own. At the end nobody's console has said a word."""
    made: list[Person] = []

    def make(name: str = "", **options: Any) -> Person:
        somebody = Person(browser, home.url, **options)
        made.append(somebody)
        return somebody.sign_in(name, PASSWORD) if name else somebody

    yield make
    complaints = [line for one in made for line in one.complaints]
    outside = [address for one in made for address in one.outside]
    for one in made:
        one.close()
    assert complaints == [], "the console is empty"
    assert outside == [], "nothing is asked for elsewhere"
