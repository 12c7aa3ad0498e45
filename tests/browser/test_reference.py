"""The API's description in a browser: read, tried with a pasted token, and a message is pinned by it."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakePerson
from tests.browser.house import House
from tests.browser.person import PHONE

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.sqlite_only]

PIN = "#operations-chat-chatPinMessage"


@pytest.fixture(autouse=True)
def linked(home: House) -> None:
    home.link()


@pytest.mark.parametrize(("scheme", "size"), [("light", {}), ("dark", PHONE)])
def test_axe_finds_nothing(home: House, person: MakePerson, scheme: str, size: dict[str, Any]) -> None:
    alice = person("alice", color_scheme=scheme, **size)
    page = alice.go("/reference/")
    page.locator(f"{PIN} .opblock-summary-control").click()
    page.locator(f"{PIN} .try-out__btn").click()
    expect(page.locator(f"{PIN} .execute")).to_be_visible()
    found = alice.axe()
    page.locator(".btn.authorize").click()
    expect(page.locator(".dialog-ux")).to_be_visible()
    found += alice.axe()
    assert found == []


def test_a_message_is_pinned(home: House, person: MakePerson) -> None:
    token = re.search(r"wap_\S+", home.portal.manage("createtoken", "--account", "Default").stdout)[0]  # type: ignore[index]
    mark = home.ana.mark()
    message_id = home.ana.send_text(home.phone.jid, "pinned from the reference")
    page = person("bob").go("/reference/")
    page.locator(".btn.authorize").click()
    page.locator(".dialog-ux input").first.fill(token)
    page.locator(".dialog-ux .auth-btn-wrapper .authorize").first.click()
    page.locator(".dialog-ux .btn-done").first.click()
    page.locator(f"{PIN} .opblock-summary-control").click()
    page.locator(f"{PIN} .try-out__btn").click()
    page.locator(f"{PIN} [data-param-name=instance] input").fill("shop")
    body = f'{{"pin": true, "messageId": "{message_id}", "duration": "7d"}}'
    page.locator(f"{PIN} textarea").fill(body)
    page.locator(f"{PIN} .execute").click()
    answer = page.locator(f"{PIN} .live-responses-table .response")
    expect(answer.first).to_contain_text("Message pinned successfully")
    home.ana.wait_for(lambda event: event["edit"] == "2", since=mark)
