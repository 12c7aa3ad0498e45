"""What an operator does all day: a long chat that grows both ways, filters by click, a phone that goes and comes."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import MakePerson
from tests.browser.house import House
from tests.browser.person import DESKTOP, PHONE

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


def arrive(home: House, *said: tuple[str, str, float]) -> int:
    """Messages of (phone number, text, minutes ago) are stored, and told of as the connector does; the first's chat."""
    chat: int = home.python(f"""
        import json
        from datetime import timedelta
        from uuid import uuid4
        from django.utils import timezone
        from chats.intake import take_in
        from instances.models import Instance
        from instances.whatsapp import service
        from instances.whatsapp.events import MessageArrived, Party
        from portal.broker import broker
        shop, now = Instance.objects.get(uid="{home.shop}"), timezone.now()
        taken = take_in(shop, [
            MessageArrived(
                message_id=uuid4().hex, chat=who, sender=who, is_group=False, from_me=False, kind="text",
                sent_at=now - timedelta(minutes=ago), text=text, push_name="Guest")
            for number, text, ago in {said!r} for who in [Party(number + "@s.whatsapp.net")]], live=False)
        told = {{"messages": [message.pk for message in taken.messages], "changed": [], "live": False}}
        service.publish(shop.uid, "messages", {{**told, "at": taken.at.isoformat()}})
        broker().run(broker().reach())
        print("RESULT", json.dumps(taken.messages[0].chat_id))
    """)
    return chat


def number_of(guest: int) -> str:
    """A phone number that nobody else here has."""
    return f"55119600{guest:05}"


def shown(page: Page) -> list[int]:
    """The numbers of the lines that are on the page, from top to bottom."""
    return [int(found) for found in re.findall(r"line (\d{4})", page.locator("#thread").inner_text())]


def scroll_until(page: Page, way: str, done: Callable[[], object]) -> None:
    """To the end of what is drawn of a chat, as often as it takes."""
    for _ in range(200):
        page.locator("#messages").evaluate("(box, up) => box.scrollTo(0, up ? 0 : box.scrollHeight)", way == "older")
        page.wait_for_timeout(150)
        if done():
            break


def grow(page: Page, way: str) -> None:
    """Read the long chat to its end in one direction."""
    end = page.locator("#thread > li", has_text="line 0000" if way == "older" else f"line {LONG - 1:04}")
    scroll_until(page, way, end.count)
    expect(end).to_have_count(1)


def test_a_chat_opens_anywhere_and_grows_both_ways(home: House, person: MakePerson, long_chat: tuple[int, int]) -> None:
    chat, middle = long_chat
    page = person("bob").go(f"/chats/{chat}/?at={middle}")
    expect(page.locator(f"#m-{middle}")).to_be_in_viewport()
    assert 0 not in shown(page)
    assert LONG - 1 not in shown(page)
    for way in ("older", "newer"):
        grow(page, way)
    assert shown(page) == list(range(LONG)), "none missing, none twice, in their order"


@pytest.mark.parametrize("way", ["older", "newer"])
def test_a_piece_that_is_not_reached_is_asked_for_again(
    home: House, person: MakePerson, long_chat: tuple[int, int], way: str
) -> None:
    """Was red: it was asked for once, and "Loading …" stood there for ever."""
    chat, middle = long_chat
    bob = person("bob")
    bob.page.route(re.compile(f"{way}="), lambda route: route.abort(), times=1)
    page = bob.go(f"/chats/{chat}/?at={middle}")
    grow(page, way)
    bob.forgive("ERR_FAILED", "htmx:")


@pytest.mark.parametrize("way", ["older", "newer"])
def test_a_piece_that_failed_is_asked_for_by_a_button(
    home: House, person: MakePerson, long_chat: tuple[int, int], way: str
) -> None:
    chat, middle = long_chat
    bob = person("bob")
    bob.page.route(re.compile(f"{way}="), lambda route: route.fulfill(status=500), times=1)
    page = bob.go(f"/chats/{chat}/?at={middle}")
    button = page.locator(f"[data-more={way}]").get_by_role("button", name="Try again")
    scroll_until(page, way, button.is_visible)
    expect(page.locator("#toast")).to_be_hidden()
    assert bob.axe() == []
    button.click()
    grow(page, way)
    bob.forgive(" 500 ", "htmx:")


def test_what_failed_moves_nobody_later(home: House, person: MakePerson, long_chat: tuple[int, int]) -> None:
    """Was red: whatever was drawn next took the reader back to where they were when a piece had failed."""
    bob = person("bob")
    bob.page.route(re.compile("older="), lambda route: route.fulfill(status=500))
    page = bob.go(f"/chats/{long_chat[0]}/")
    scroll_until(page, "older", page.locator(".more").get_by_role("button", name="Try again").is_visible)
    page.evaluate("document.addEventListener('htmx:afterSwap', () => (window.drawn = true))")
    box = page.locator("#messages")
    top = box.evaluate("box => { box.scrollTop = box.scrollHeight / 3; return box.scrollTop; }")
    assert top > 100
    page.evaluate("htmx.trigger('#chat-list', 'news')")
    page.wait_for_function("() => window.drawn")
    assert abs(box.evaluate("box => box.scrollTop") - top) < 2
    bob.forgive(" 500 ", "htmx:")


def test_the_history_appears_above_the_one_message_of_an_open_chat(home: House, person: MakePerson) -> None:
    """As right after linking, when the phone tells its history, the newest first."""
    rita = number_of(99)
    chat = arrive(home, (rita, "line 0050", 9_000))
    bob = person("bob")
    page = bob.go(f"/chats/{chat}/")
    bob.live()
    assert shown(page) == [50]
    arrive(home, *((rita, f"line {number:04}", 9_050.0 - number) for number in range(49, 9, -1)))
    expect(page.locator("#thread > li", has_text="line 0049")).to_be_visible()
    # These are older than what is fetched by now: they come as any others do.
    arrive(home, *((rita, f"line {number:04}", 9_050.0 - number) for number in range(9, -1, -1)))
    for _ in range(200):
        if 0 in shown(page):
            break
        page.locator("#messages").evaluate("box => box.scrollTo(0, 0)")
        page.wait_for_timeout(150)
    assert shown(page) == list(range(51)), "none missing, none twice, in their order"
    assert page.locator("#arrived").inner_text() == "", "nothing of it is new"


def test_news_leave_the_reader_of_a_long_list_where_they_are(home: House, person: MakePerson) -> None:
    # Long ago, so that the other tests find their chats above.
    arrive(home, *((number_of(guest), f"guest {guest:02}", 9_000.0 + guest) for guest in range(60)))
    bob = person("bob")
    page = bob.go("/chats/")
    bob.live()
    row = page.locator(".chat-row", has_text="guest 50")
    for _ in range(200):
        page.locator("#chat-list").evaluate("list => list.scrollTo(0, list.scrollHeight)")
        page.wait_for_timeout(150)
        if row.count():
            break
    row.focus()
    row.evaluate("row => row.scrollIntoView({block: 'center'})")
    place = row.bounding_box()
    assert place is not None
    arrive(home, (number_of(58), "guest 58 again", 0))
    expect(page.locator(".chat-row").first).to_contain_text("again")
    expect(row).to_be_in_viewport()
    expect(row).to_be_focused()
    now = row.bounding_box()
    assert now is not None
    assert abs(now["y"] - place["y"]) < 2, "not even by the one row that stands above now"


def test_so_do_they_the_reader_of_a_long_board(home: House, person: MakePerson, long_chat: object) -> None:
    pins = """
        from datetime import timedelta
        from django.utils import timezone
        from chats.models import Message, Pin
        ends = timezone.now() + timedelta(days=9)
        made = Message.objects.filter(message_id__startswith="LONG", pin=None).order_by("pk")[:90]
        Pin.objects.bulk_create(Pin(message=one, state="pinned", pinned_at=ends, expires_at=ends) for one in made)
    """
    home.python(pins)
    bob = person("bob")
    page = bob.go("/pins/")
    bob.live()
    entry = page.locator(".hit", has_text="line 0080")
    for _ in range(200):
        page.locator(".hit").last.scroll_into_view_if_needed()
        page.wait_for_timeout(150)
        if entry.count():
            break
    entry.focus()
    entry.evaluate("entry => entry.scrollIntoView({block: 'center'})")
    # At once: a page that draws fewer fetches the others a moment later.
    count = "window.drawn ??= document.querySelectorAll('.hit').length"
    page.evaluate(f"document.addEventListener('htmx:afterSwap', () => {{ {count}; }})")
    page.evaluate("htmx.trigger('#board', 'news')")
    page.wait_for_function("() => window.drawn")
    assert page.evaluate("window.drawn") >= 81
    expect(entry).to_be_in_viewport()
    expect(entry).to_be_focused()
    home.python("from chats.models import Pin; Pin.objects.filter(message__message_id__startswith='LONG').delete()")


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


def test_about_a_chat_where_there_is_no_room_beside_it(home: House, person: MakePerson) -> None:
    """Was red: on a narrow screen there was no such thing."""
    vera = person("vera", **PHONE)
    page = vera.go(f"/chats/{arrive(home, (number_of(80), 'Hello', 9_000))}/")
    about, button = page.locator("#about-chat"), page.get_by_role("button", name="About this chat")
    expect(about).to_be_hidden()
    button.press("Enter")
    expect(about).to_contain_text(f"{number_of(80)}@s.whatsapp.net")
    assert vera.axe() + vera.wider() == []
    page.keyboard.press("Tab")
    expect(about.get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Escape")
    expect(about).to_be_hidden()
    button.click()
    about.get_by_role("button", name="Close").click()
    expect(about).to_be_hidden()
    page.set_viewport_size(DESKTOP["viewport"])
    expect(about).to_be_visible()
    expect(button).to_be_hidden()


def test_an_instance_goes_and_comes_while_a_colleague_looks(home: House, person: MakePerson) -> None:
    alice, bob, vera = person("alice"), person("bob"), person("vera")
    chat = vera.go(f"/chats/{arrive(home, (number_of(80), 'Hello', 9_000))}/")
    vera.live()
    dot, away = chat.locator(".chat-head .state-dot"), chat.locator("#chat-state .away")
    expect(dot).to_have_attribute("title", "Connected")
    expect(away).to_have_count(0)
    watched = bob.go("/instances/").locator(".instance-row", has_text="shop")
    bob.live()
    expect(watched.locator(".pill")).to_have_text("Connected")
    expect(watched).to_contain_text("messages/min")
    expect(watched).to_contain_text("last seen")
    page = alice.go(f"/instances/{home.shop}/")
    page.locator("form.choice button", has_text="Disconnect").click()
    expect(watched.locator(".pill")).not_to_have_text("Connected")
    expect(away).to_contain_text("Disconnected by a person.")
    expect(dot).to_have_attribute("title", "Paused")
    assert vera.axe() == []
    address = away.get_by_role("link", name="Open the instance").get_attribute("href")
    assert chat.request.get(f"{home.url}{address}").ok
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.locator("#panel .pill")).to_have_text("Connected")
    expect(watched.locator(".pill")).to_have_text("Connected")
    expect(away).to_have_count(0)
    expect(dot).to_have_attribute("title", "Connected")
