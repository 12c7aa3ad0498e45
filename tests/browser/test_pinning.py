"""Find a message, pin it, see it pinned: on the page, in a colleague's browser, and in the contact's own WhatsApp."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.browser.conftest import MakePerson
from tests.browser.house import House
from tests.browser.person import Person

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.sqlite_only]


@pytest.fixture(autouse=True)
def linked(home: House) -> None:
    home.link()


def arrived(home: House, person: Person, text: str) -> Locator:
    """Ana writes; the message as it stands in the open chat."""
    row = person.page.locator("#thread > li", has_text=text).first
    for _ in range(3):
        home.ana.send_text(home.phone.jid, text)
        try:
            row.wait_for(timeout=20_000)
            break
        except PlaywrightTimeout:
            # whatsmeow loses a message when both sides write at once (tests/loopback/README.md): Ana writes again.
            continue
    expect(row).to_be_visible()
    return row


def open_chat(home: House, person: Person) -> Page:
    """Ana's chat, once she has written something: by her number, for other files leave chats above hers."""
    page = person.go(f"/chats/?filter={home.ana.account.phone}")
    person.live()
    if page.locator(".chat-row").count() == 0:
        home.ana.send_text(home.phone.jid, "Hello, shop!")
    page.locator(".chat-row").first.click()
    page.wait_for_selector("#thread")
    person.live()
    return page


def pin(row: Locator, words: str = "7 days") -> None:
    """By the mouse."""
    row.hover()
    row.locator(".pin-menu > summary").click()
    row.get_by_role("button", name=words).click()


def test_a_message_arrives_while_one_looks(home: House, person: MakePerson) -> None:
    bob = person("bob")
    open_chat(home, bob)
    row = arrived(home, bob, "live it comes")
    assert "theirs" in (row.get_attribute("class") or "")


def test_pin_and_unpin_as_the_contact_sees_it(home: House, person: MakePerson) -> None:
    bob = person("bob")
    page = open_chat(home, bob)
    row = arrived(home, bob, "please pin this one")
    mark = home.ana.mark()
    pin(row)
    expect(row.locator(".pin-state.pinned")).to_contain_text("Pinned by Bob")
    expect(page.locator("#pinned-bar")).to_contain_text("please pin this one")
    expect(page.locator("#pinned-bar")).to_contain_text(re.compile(r"Bob · (7d|6d 23h)"))
    seen = home.ana.wait_for(lambda message: message["edit"] == "2", since=mark)
    assert seen["message"]["messageContextInfo"]["messageAddOnDurationInSecs"] == 604_800
    mark = home.ana.mark()
    row.hover()
    row.get_by_role("button", name="Unpin").click()
    expect(row.locator(".pin-state")).to_have_count(0)
    expect(page.locator("#pinned-bar")).to_be_hidden()
    seen = home.ana.wait_for(lambda message: message["edit"] == "2", since=mark)
    assert seen["message"]["pinInChatMessage"]["type"] in (2, "UNPIN_FOR_ALL")


def test_two_browsers_see_each_others_pins_at_once(home: House, person: MakePerson) -> None:
    bob, alice = person("bob"), person("alice")
    open_chat(home, bob)
    open_chat(home, alice)
    row = arrived(home, bob, "both look at this")
    other = alice.page.locator("#thread > li", has_text="both look at this")
    expect(other).to_be_visible()
    pin(row, "24 hours")
    expect(row.locator(".pin-state.pinned")).to_be_visible()
    # How soon exactly is measured by `make bench ONLY=browser`, on a machine that does nothing else.
    expect(other.locator(".pin-state.pinned")).to_contain_text("Pinned by Bob")
    other.hover()
    other.get_by_role("button", name="Unpin").click()
    expect(row.locator(".pin-state.pinned")).to_have_count(0)


def test_a_pin_made_by_the_contact_shows(home: House, person: MakePerson) -> None:
    bob = person("bob")
    page = open_chat(home, bob)
    text = "Ana pins this herself"
    message = home.ana.send_text(home.phone.jid, text)
    row = page.locator("#thread > li", has_text=text)
    expect(row).to_be_visible()
    home.ana.pin(home.phone.jid, message, from_me=True)
    expect(row.locator(".pin-state.pinned")).to_contain_text("Pinned by")
    assert "Bob" not in row.locator(".pin-state").inner_text()
    home.ana.unpin(home.phone.jid, message, from_me=True)
    expect(row.locator(".pin-state.pinned")).to_have_count(0)


def test_a_refusal_says_why_and_can_be_tried_again(home: House, person: MakePerson) -> None:
    bob = person("bob")
    open_chat(home, bob)
    row = arrived(home, bob, "this one is refused first")
    home.wa.acks.negative(home.phone, 479, edit="2")
    pin(row)
    expect(row.locator(".pin-state.failed")).to_contain_text("Not pinned")
    row.get_by_role("button", name="Try again").click()
    expect(row.locator(".pin-state.pinned")).to_be_visible()


def test_it_is_pending_until_whatsapp_has_spoken(home: House, person: MakePerson) -> None:
    bob, alice = person("bob"), person("alice")
    open_chat(home, bob)
    open_chat(home, alice)
    row = arrived(home, bob, "slow to be confirmed")
    other = alice.page.locator("#thread > li", has_text="slow to be confirmed")
    expect(other).to_be_visible()
    # Long enough for a busy machine to show it elsewhere meanwhile.
    home.wa.acks.late(home.phone, 8, edit="2")
    pin(row)
    expect(other.locator(".pin-state.pending")).to_be_visible()
    expect(row.locator(".pin-state.pinned")).to_be_visible()
    expect(other.locator(".pin-state.pinned")).to_be_visible()


def test_search_by_keyboard_and_pin(home: House, person: MakePerson) -> None:
    bob = person("bob")
    page = open_chat(home, bob)
    arrived(home, bob, "the zeppelin lands at noon")
    page.keyboard.press("/")
    page.wait_for_url("**/search/**")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("zeppelin")
    hit = page.locator(".hit", has_text="zeppelin")
    expect(hit).to_have_count(1)
    page.wait_for_url(re.compile("q=zeppelin"))  # What is typed may be looked for before it is whole.
    page.keyboard.press("ArrowDown")
    expect(hit).to_be_focused()
    page.keyboard.press("p")
    expect(hit.get_by_role("button", name="24 hours")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(hit.locator(".pin-state.pinned")).to_contain_text("Bob")
    expect(hit).to_be_focused()
    page.keyboard.press("u")
    expect(hit.locator(".pin-state.pinned")).to_have_count(0)
    page.keyboard.press("Enter")
    page.wait_for_url("**/chats/*/?at=*")
    expect(page.locator("li.anchor")).to_contain_text("zeppelin")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()


def test_the_board_shows_renews_and_unpins(home: House, person: MakePerson) -> None:
    bob = person("bob")
    page = open_chat(home, bob)
    row = arrived(home, bob, "for the board")
    pin(row, "24 hours")
    expect(row.locator(".pin-state.pinned")).to_be_visible()
    page = bob.go("/pins/")
    bob.live()
    entry = page.locator(".hit", has_text="for the board")
    pin(entry, "30 days")
    expect(entry.locator("[data-until]")).to_have_text(re.compile(r"29d|30d"))
    entry.get_by_role("button", name="Unpin").click()
    expect(entry).to_have_count(0)
    page = bob.go("/pins/history/")
    expect(page.locator(".history-line").first).to_contain_text("Bob unpinned it")


def test_a_viewer_sees_and_cannot_pin(home: House, person: MakePerson) -> None:
    vera = person("vera")
    page = open_chat(home, vera)
    arrived(home, vera, "only to look at")
    assert page.locator(".pin-menu").count() == 0


def test_a_stranger_sees_nothing(home: House, person: MakePerson) -> None:
    bob, charlie = person("bob"), person("charlie")
    page = open_chat(home, bob)
    path = page.url.removeprefix(home.url)
    arrived(home, bob, "a secret of the shop")
    page = charlie.go("/search/?q=secret")
    expect(page.locator("#results")).to_contain_text("Nothing found")
    page = charlie.go("/chats/")
    assert page.locator(".chat-row").count() == 0
    answer = page.request.get(home.url + path)
    assert answer.status == 404
    heard = page.evaluate("""async (send) => {
        const source = new EventSource('/live/');
        const heard = [];
        for (const topic of ['messages', 'pins', 'state', 'read'])
            source.addEventListener(topic, () => heard.push(topic));
        await new Promise((done) => source.addEventListener('open', done));
        await new Promise((done) => setTimeout(done, 1500));
        source.close();
        return heard;
    }""")
    assert heard == []
