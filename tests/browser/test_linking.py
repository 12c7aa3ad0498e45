"""Linking a phone from the page. The first of the browser tests: the others use what it linked."""

import io
import re

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import MakePerson
from tests.browser.house import House

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.sqlite_only]


def read_qr(picture: bytes) -> str:
    """What a phone's camera would read off the screen."""
    return str(zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))[0].text)


def test_a_phone_is_linked_by_the_qr_code_on_the_page(home: House, person: MakePerson) -> None:
    alice = person("alice")
    page = alice.go(f"/instances/{home.shop}/")
    alice.live()
    expect(page.locator("#panel")).to_contain_text("Not linked")
    page.get_by_role("button", name="Link a phone with a QR code").click()
    picture = page.locator("#qr svg")
    expect(picture).to_be_visible(timeout=20_000)
    page.wait_for_timeout(500)
    home.phone.scan(read_qr(picture.screenshot()))
    expect(page.locator("#panel .pill")).to_have_text(re.compile("Connected"), timeout=15_000)
    expect(page.locator("#panel")).to_contain_text("+5511940000001")
    assert page.locator("#qr").count() == 0
    home.linked()


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
