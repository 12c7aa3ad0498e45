"""How far a text of ours has come, as somebody sees who looks at the open chat."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakePerson
from tests.browser.house import House
from tests.browser.test_pinning import arrived, open_chat
from tests.e2e.test_receipts import receipt

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.sqlite_only]


@pytest.fixture(autouse=True)
def linked(home: House) -> None:
    home.link()


def test_ticks_change_while_one_looks(home: House, person: MakePerson) -> None:
    token = re.search(r"wap_\S+", home.portal.manage("createtoken", "--account", "Default").stdout)[0]  # type: ignore[index]
    bob = person("bob")
    page = open_chat(home, bob)
    arrived(home, bob, "are you coming?")
    page.evaluate("window.stayed = true")
    text = {"number": home.ana.account.phone, "text": "on our way"}
    status, answer = home.portal.call("POST", "/api/message/sendText/shop", text, token)
    assert status == 200, answer
    ticks = page.locator("#thread > li", has_text="on our way").locator(".receipt")
    # Ana's client is not online: it has the message, and tells nobody so.
    expect(ticks).to_have_attribute("title", "Sent")
    device = home.phone.devices()[0]
    home.phone.give(device, receipt(home.ana, message_id=answer["message_id"], type=""))
    expect(ticks).to_have_attribute("title", "Delivered")
    expect(ticks).not_to_have_class(re.compile("read"))
    home.ana.mark_read([answer["message_id"]], home.phone.lid, home.phone.lid)
    expect(ticks).to_have_attribute("title", "Read")
    expect(ticks).to_have_class("receipt read")
    expect(ticks.locator(".sr")).to_have_text(" Read")
    assert page.evaluate("window.stayed")
