"""A rule made in a browser, looked at, switched on, and set off by the contact; and the page of figures."""

import re

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
    # Ana may have had to write twice.
    expect(page.locator("main")).to_contain_text(re.compile(r"(One message|\d messages) of the last 30 days\."))
    expect(page.locator(".plan").first).to_contain_text("an okapi of the past")
    assert bob.axe() == []
    rule = page.url
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_role("button", name="Switch off")).to_be_visible()
    page = open_chat(home, bob)
    row = arrived(home, bob, "look, another okapi")
    expect(row.locator(".pin-state.pinned")).to_contain_text("Pinned by the rule")
    page = bob.go(rule.removeprefix(home.url))
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


# Of each label that is shown: its size on the screen, in CSS pixels, and where it stands.
LABELS = """() => [...document.querySelectorAll(".plot text")].filter(label => label.getBBox().width).map(label => {
  const box = label.getBoundingClientRect();
  const size = parseFloat(getComputedStyle(label).fontSize) * label.getScreenCTM().d;
  return {size, left: box.left, right: box.right, top: box.top, bottom: box.bottom};
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_plots_labels_can_be_read(person: MakePerson, scheme: str) -> None:
    somebody = person("vera", color_scheme=scheme)
    for days in (7, 30, 90):
        page = somebody.go(f"/pins/figures/?days={days}")
        for width in (1280, 800, 390, 320):
            page.set_viewport_size({"width": width, "height": 800})
            labels = page.evaluate(LABELS)
            assert len(labels) >= 4
            assert all(12 <= label["size"] <= 16 for label in labels), labels
            assert all(label["left"] >= 0 and label["right"] <= width for label in labels), "all of them are in sight"
            for number, one in enumerate(labels):
                for other in labels[number + 1 :]:
                    apart = one["right"] < other["left"] or other["right"] < one["left"]
                    assert apart or one["bottom"] <= other["top"] or other["bottom"] <= one["top"], (one, other)
    assert somebody.axe() == []
