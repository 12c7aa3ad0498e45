"""Linking a phone from the page. The first of the browser tests: the others use what it linked."""

import io
import re
from collections.abc import Iterator
from contextlib import suppress

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import MakePerson
from tests.browser.house import House
from tests.loopback import Account

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.sqlite_only]


def read_qr(picture: bytes) -> str:
    """What a phone's camera would read off the screen."""
    return str(zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))[0].text)


def shown(page: Page) -> str:
    """The code on the page once it has settled: the panel around it is drawn anew shortly after."""
    for _ in range(20):
        page.wait_for_timeout(500)
        with suppress(IndexError):  # Nothing that a camera could read: it is being drawn.
            return read_qr(page.screenshot())
    raise AssertionError("no code is shown")


def stay(page: Page) -> None:
    """From here on the page must not be loaded anew."""
    page.evaluate("window.stayed = true")


def linked_without_a_reload(page: Page, phone: Account) -> None:
    """The page says by itself that this phone is linked."""
    expect(page.locator("#panel .pill")).to_have_text(re.compile("Connected"))
    expect(page.locator("#panel")).to_contain_text(f"+{phone.phone}")
    expect(page.locator("#qr, #pairing")).to_be_hidden()
    assert page.evaluate("window.stayed")


@pytest.fixture
def brisk(home: House) -> Iterator[None]:
    """Codes that the library turns over after 20 s: the first of six stays a minute (whatsmeow, qrchan.go)."""
    home.wa.qr(count=2, first=25, others=20)
    yield
    home.wa.qr()


@pytest.mark.usefixtures("brisk")
def test_a_phone_is_linked_by_a_qr_code_that_has_renewed_itself(home: House, person: MakePerson) -> None:
    alice = person("alice")
    page = alice.go(f"/instances/{home.shop}/")
    alice.live()
    stay(page)
    expect(page.locator("#panel")).to_contain_text("Not linked")
    page.get_by_role("button", name="Link a phone with a QR code").click()
    picture = page.locator("#qr svg")
    expect(picture).to_be_visible()
    first = shown(page)
    drawn = picture.evaluate("svg => svg.outerHTML")
    page.wait_for_function(
        "before => ![before, undefined].includes(document.querySelector('#qr svg')?.outerHTML)",
        arg=drawn,
        timeout=60_000,
    )
    second = shown(page)
    assert second != first
    home.phone.scan(second)
    linked_without_a_reload(page, home.phone)
    home.linked()


def test_a_phone_is_linked_by_a_pairing_code_on_the_page(home: House, person: MakePerson) -> None:
    phone = home.wa.account("Desk", "5511940000002")
    alice = person("alice")
    page = alice.go("/instances/")
    page.get_by_text("New instance").click()
    page.get_by_label("Name", exact=True).fill("desk")
    page.get_by_role("button", name="Make it").click()
    alice.live()
    stay(page)
    page.get_by_text("Use a pairing code instead").click()
    page.get_by_label("The phone's number").fill("+55 11 94000-0002")
    page.get_by_role("button", name="Get a code").click()
    code = page.get_by_label("Pairing code", exact=True)
    expect(code).to_have_text(re.compile(r"^[0-9A-Z]{4}-[0-9A-Z]{4}$"))
    phone.enter_code(code.inner_text())
    linked_without_a_reload(page, phone)
    page.locator("form[action$='/delete/'] input[name=name]").fill("desk")
    page.get_by_role("button", name="Delete").click()
    page.wait_for_url("**/instances/")
    assert phone.devices() == []
    # The page may have heard of the end, and asked for what is gone, before it was left.
    alice.complaints[:] = [line for line in alice.complaints if "404" not in line and "htmx:" not in line]


def test_a_viewer_may_not_link(home: House, person: MakePerson) -> None:
    page = person("vera").go(f"/instances/{home.shop}/")
    assert page.locator("#panel button").count() == 0
    assert page.get_by_role("button", name="Delete").count() == 0


def test_deleting_asks_for_the_name(home: House, person: MakePerson) -> None:
    page = person("alice").go(f"/instances/{home.shop}/")
    button = page.get_by_role("button", name="Delete")
    expect(button).to_be_disabled()
    page.locator("form[action$='/delete/'] input[name=name]").fill("shop")
    expect(button).to_be_enabled()
