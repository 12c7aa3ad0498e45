"""Many messages pinned together, as an operator and the contact see it."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakePerson
from tests.browser.house import House
from tests.browser.test_pinning import arrived, open_chat
from tests.e2e.scene import wait

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.sqlite_only]


@pytest.fixture(scope="module", autouse=True)
def linked(home: House) -> None:
    """The phone is linked, whichever test comes first."""
    home.link()


def pins_seen(home: House, mark: int) -> list[int]:
    """How long the pins and unpins that Ana has heard of since then last, in seconds; an unpin's is 0."""
    return [
        event["message"].get("messageContextInfo", {}).get("messageAddOnDurationInSecs", 0)
        for event in home.ana.received()[mark:]
        if event["edit"] == "2"
    ]


def test_it_works(home: House, person: MakePerson) -> None:
    bob = person("bob")
    open_chat(home, bob)
    for number in range(3):
        arrived(home, bob, f"aardvark {number}")
    mark = len(home.ana.received())
    page = bob.go("/search/?q=aardvark")
    bar = page.locator("#many")
    expect(page.locator(".hit")).to_have_count(3)
    expect(bar).to_be_hidden()
    page.locator(".hit .tick input").first.check()
    expect(bar).to_contain_text("1 selected")
    bar.get_by_role("button", name="All shown").click()
    expect(bar).to_contain_text("3 selected")
    assert bob.axe() == []
    # As if that were all that a selection may have.
    page.evaluate("document.getElementById('many').dataset.most = 2")
    bar.get_by_role("button", name="None").click()
    expect(bar).to_be_hidden()
    for number in range(3):
        page.locator(".hit .tick input").nth(number).click()
    expect(bar.get_by_role("alert")).to_contain_text("messages at most")
    expect(bar).to_contain_text("2 selected")
    expect(page.locator(".hit .tick input:checked")).to_have_count(2)
    assert bob.axe() == []
    page.locator(".hit .tick input").first.click()
    expect(bar.get_by_role("alert")).to_be_hidden()
    page.evaluate("document.getElementById('many').dataset.most = 1000")
    bar.get_by_role("button", name="All shown").click()
    expect(bar).to_contain_text("3 selected")
    bar.locator("summary", has_text="Pin").click()
    bar.get_by_role("button", name="24 hours").first.click()
    page.wait_for_url("**/pins/many/*/")
    bob.live()
    assert bob.axe() == []
    expect(page.locator(".batch")).to_contain_text("Pin 3 messages for 24 hours")
    # It goes on by itself, without the page being asked for again.
    expect(page.locator(".batch .pill")).to_have_text("Done", timeout=60_000)
    expect(page.locator(".batch")).to_contain_text("3 / 3")
    # The contact has it a moment after the server has acknowledged it.
    wait(lambda: pins_seen(home, mark) == [86_400] * 3, what="the pins at the contact's")
    page = bob.go("/pins/")
    for number in range(3):
        page.locator(".hit", has_text=f"aardvark {number}").locator(".tick input").check()
    # News draw the board anew; what is ticked stays ticked.
    page.evaluate("htmx.trigger('#board', 'news')")
    page.wait_for_timeout(300)
    expect(page.locator("#board .tick input:checked")).to_have_count(3)
    bar = page.locator("#many")
    bar.get_by_role("button", name="Unpin").click()
    page.wait_for_url("**/pins/many/*/")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".batch .pill")).to_have_text("Stopped")
    page.get_by_role("button", name="Resume").click()
    bob.live()
    expect(page.locator(".batch .pill")).to_have_text("Done", timeout=60_000)
    page = bob.go("/pins/")
    expect(page.locator(".hit", has_text=re.compile("aardvark"))).to_have_count(0)


def test_a_viewer_ticks_nothing(home: House, person: MakePerson) -> None:
    vera = person("vera")
    page = vera.go("/pins/many/")
    expect(page.locator("h1")).to_have_text("Pins")
    assert page.get_by_role("button", name="Stop").count() == 0
    assert vera.go("/search/?q=aardvark").locator(".tick").count() == 0
