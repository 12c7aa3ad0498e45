"""A rule made in a browser, looked at, switched on, and set off by the contact; and the page of figures."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakePerson
from tests.browser.house import House
from tests.browser.test_pinning import arrived, open_chat

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.sqlite_only]


@pytest.fixture(scope="module", autouse=True)
def linked(home: House) -> None:
    """The phone is linked, whichever test comes first."""
    home.link()


def test_it_works(home: House, person: MakePerson) -> None:
    bob = person("bob")
    open_chat(home, bob)
    arrived(home, bob, "an okapi of the past")
    page = bob.go("/pins/rules/")
    page.get_by_role("link", name="New rule").click()
    page.locator("[name=name]").fill("Okapis")
    page.locator("[name=trigger]").select_option("hashtag")
    expect(page.locator("[name=people]")).to_be_hidden()
    page.locator("[name=trigger]").select_option("message")
    page.locator("[name=words]").fill("Okapi")
    assert bob.axe() == []
    page.get_by_role("button", name="Look at what it would do").click()
    expect(page.locator("main")).to_contain_text("One message of the last 30 days.")
    expect(page.locator(".plan")).to_contain_text("an okapi of the past")
    assert bob.axe() == []
    rule = page.url
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_role("button", name="Switch off")).to_be_visible()
    page = open_chat(home, bob)
    row = arrived(home, bob, "look, another okapi")
    expect(row.locator(".pin-state.pinned")).to_contain_text("Pinned by the rule", timeout=15_000)
    page = bob.go(rule.removeprefix(home.url))
    # Ana may have had to write twice.
    expect(page.locator(".plan").first).to_contain_text("another okapi")
    page.get_by_role("button", name="Switch off").click()
    page.get_by_role("button", name="Delete").click()
    page.wait_for_url("**/pins/rules/")
    page = bob.go("/pins/figures/")
    expect(page.locator(".tallies").first).to_contain_text("Okapis")
    assert page.locator("svg.plot rect").count() >= 1
    assert bob.axe() == []
    phone = person("vera", viewport={"width": 390, "height": 800})
    page = phone.go("/pins/figures/")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than a phone"
    assert phone.axe() == []
