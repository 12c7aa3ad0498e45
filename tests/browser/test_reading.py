"""What an operator does all day: a long chat that grows both ways, filters by click, a phone that goes and comes."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import MakePerson
from tests.browser.house import House

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.sqlite_only]

LONG = 220


@pytest.fixture(autouse=True)
def linked(home: House) -> None:
    home.link()


@pytest.fixture(scope="module")
def long_chat(home: House) -> tuple[int, int]:
    """A chat of 220 messages, and the key of the one in its middle."""
    chat, middle = home.python(f"""
        import json
        from datetime import timedelta
        from django.utils import timezone
        from chats.intake import take_in
        from chats.models import Message
        from instances.models import Instance
        from instances.whatsapp.events import MessageArrived, Party
        rita = Party("5511940000777@s.whatsapp.net")
        now = timezone.now()
        take_in(Instance.objects.get(uid="{home.shop}"), [
            MessageArrived(
                message_id=f"LONG{{number:04}}", chat=rita, sender=rita, is_group=False, from_me=False, kind="text",
                sent_at=now - timedelta(minutes={LONG} - number), text=f"line {{number:04}}", push_name="Rita")
            for number in range({LONG})])
        message = Message.objects.get(message_id="LONG{LONG // 2:04}")
        print("RESULT", json.dumps([message.chat_id, message.pk]))
    """)
    return chat, middle


def shown(page: Page) -> list[int]:
    """The numbers of the lines that are on the page, from top to bottom."""
    return [int(found) for found in re.findall(r"line (\d{4})", page.locator("#thread").inner_text())]


def test_a_chat_opens_anywhere_and_grows_both_ways(home: House, person: MakePerson, long_chat: tuple[int, int]) -> None:
    chat, middle = long_chat
    page = person("bob").go(f"/chats/{chat}/?at={middle}")
    expect(page.locator(f"#m-{middle}")).to_be_in_viewport()
    assert 0 not in shown(page)
    assert LONG - 1 not in shown(page)
    for up, last in ((True, "line 0000"), (False, f"line {LONG - 1:04}")):
        end = page.locator("#thread > li", has_text=last)
        for _ in range(30):
            page.locator("#messages").evaluate("(box, up) => box.scrollTo(0, up ? 0 : box.scrollHeight)", up)
            page.wait_for_timeout(150)
            if end.count():
                break
        expect(end).to_have_count(1)
    assert shown(page) == list(range(LONG)), "none missing, none twice, in their order"


def test_a_filter_by_click_stands_in_the_box_and_the_address(
    home: House, person: MakePerson, long_chat: object
) -> None:
    page = person("bob").go("/search/?q=line")
    expect(page.locator(".hit mark").first).to_have_text("line")
    page.locator(".chip", has_text="From me").click()
    expect(page.locator("#q")).to_have_value(re.compile(r"^line\b.*is:mine|^is:mine.* line"))
    assert "is%3Amine" in page.url or "is:mine" in page.url
    expect(page.locator(".empty")).to_contain_text("Take a filter away")
    page.locator(".chip.on").click()
    expect(page.locator(".hit").first).to_be_visible()
    assert "mine" not in page.url
    page.locator(".chip-menu > summary", has_text="Type").click()
    page.locator(".chip-menu[open] a", has_text="Photo").click()
    expect(page.locator("#q")).to_have_value(re.compile("type:image"))


def test_an_instance_goes_and_comes_while_a_colleague_looks(home: House, person: MakePerson) -> None:
    alice, bob = person("alice"), person("bob")
    watched = bob.go("/instances/").locator(".instance-row", has_text="shop")
    bob.live()
    expect(watched.locator(".pill")).to_have_text("Connected", timeout=20_000)
    expect(watched).to_contain_text("messages/min")
    expect(watched).to_contain_text("last seen")
    page = alice.go(f"/instances/{home.shop}/")
    page.locator("form.choice button", has_text="Disconnect").click()
    expect(watched.locator(".pill")).not_to_have_text("Connected", timeout=20_000)
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.locator("#panel .pill")).to_have_text("Connected", timeout=20_000)
    expect(watched.locator(".pill")).to_have_text("Connected", timeout=20_000)
