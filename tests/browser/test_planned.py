"""Pins for later and for longer, planned in a browser, seen by the contact when the clock has moved."""

from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import MakePerson
from tests.browser.house import House
from tests.browser.person import Person
from tests.browser.test_many import pins_seen
from tests.browser.test_pinning import arrived, open_chat
from tests.e2e.scene import wait

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.sqlite_only]
DAY, MONTH = 86_400, 2_592_000


@pytest.fixture(scope="module", autouse=True)
def linked(home: House) -> None:
    """The phone is linked, whichever test comes first."""
    home.link()


def pin_page(home: House, bob: Person, text: str) -> Page:
    """The page of the pin of a message that Ana just wrote."""
    open_chat(home, bob)
    row = arrived(home, bob, text)
    row.hover()
    row.locator(".pin-menu > summary").click()
    row.get_by_role("link", name="Later, longer, history").click()
    bob.page.wait_for_url("**/messages/*/")
    return bob.page


def ahead(page: Page, **span: float) -> str:
    """A time to come as the browser's field takes it, in the browser's zone."""
    now = page.evaluate("new Date(Date.now() - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 16)")
    return (datetime.fromisoformat(now) + timedelta(**span)).isoformat(timespec="minutes")


def done(page: Page) -> bool:
    """Whether the page shows that the plan is over; the contact may know it a moment before."""
    page.reload()
    return page.locator(".plan.done").count() == 1


def test_it_works(home: House, person: MakePerson) -> None:
    bob = person("bob")
    page = pin_page(home, bob, "a narwhal tomorrow")
    mark = len(home.ana.received())
    page.locator("[name=at]").fill(ahead(page, days=1))
    page.locator("[name=lasting]").select_option("24h")
    assert bob.axe() == []
    page.get_by_role("button", name="Plan it").click()
    expect(page.locator(".plan")).to_contain_text("24 hours")
    address = page.url.removeprefix(home.url)
    page = bob.go("/pins/planned/")
    expect(page.locator(".plan", has_text="a narwhal tomorrow")).to_be_visible()
    assert bob.axe() == []
    home.later(hours=23)
    assert pins_seen(home, mark) == [], "not before its time"
    home.later(hours=1)
    wait(lambda: pins_seen(home, mark) == [DAY], what="the planned pin at the contact's")
    page = bob.go(address)
    wait(lambda: done(page), what="the end of the plan")
    expect(page.locator(".timeline")).to_contain_text("Bob")
    page = bob.go("/pins/planned/")
    expect(page.locator(".plan", has_text="a narwhal tomorrow")).to_have_count(0)


def test_kept_until_a_day_by_renewals(home: House, person: MakePerson) -> None:
    bob = person("bob")
    page = pin_page(home, bob, "a narwhal for weeks")
    mark = len(home.ana.received())
    page.locator("[name=lasting]").select_option("until")
    page.locator("[name=until]").fill(ahead(page, days=40))
    page.get_by_role("button", name="Plan it").click()
    wait(lambda: pins_seen(home, mark) == [MONTH], what="the pin, at once")
    home.later(days=29)
    wait(lambda: pins_seen(home, mark) == [MONTH, MONTH], what="the renewal, a day before its end")
    home.later(days=11)
    wait(lambda: pins_seen(home, mark) == [MONTH, MONTH, 0], what="the end, on the day")
    wait(lambda: done(page), what="the end of the plan")
    expect(page.locator(".timeline")).to_contain_text("unpinned")


def test_what_was_too_late_is_said(home: House, person: MakePerson) -> None:
    bob = person("bob")
    page = pin_page(home, bob, "a narwhal too late")
    mark = len(home.ana.received())
    page.locator("[name=at]").fill(ahead(page, days=1))
    page.get_by_role("button", name="Plan it").click()
    expect(page.locator(".plan.waiting")).to_have_count(1)
    # As if the portal had been down: two hours of which an hour is too late.
    home.later(days=1, hours=2)

    def missed() -> bool:
        page.reload()
        return page.locator(".plan.missed").count() == 1

    wait(missed, what="the plan that was missed")
    expect(page.locator(".plan.missed")).to_contain_text("too late")
    expect(page.locator(".timeline")).to_contain_text("too late")
    assert pins_seen(home, mark) == []
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than a phone"
