"""Pages whose reader is signed in no more: they go to the sign-in and come back, and nothing that was typed is lost."""

import re
from urllib.parse import unquote

import pytest
from playwright.sync_api import Page, Route, expect

from portal.live import A_PERSON, FULL
from tests.browser.conftest import MakePerson
from tests.browser.house import PASSWORD, House
from tests.browser.person import pass_the_door
from tests.browser.test_pinning import open_chat

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.sqlite_only]

# The portal looks every quarter of a minute whether a stream's reader is still signed in. Milliseconds.
PATIENCE = 60_000


@pytest.fixture(autouse=True)
def linked(home: House) -> None:
    home.link()


def at_the_door(home: House, page: Page, path: str) -> None:
    """The page has gone to the sign-in, from where it comes back to `path`."""
    page.wait_for_url(lambda url: unquote(url) == f"{home.url}/sign-in/?next={path}", timeout=PATIENCE)


def deafen(page: Page) -> None:
    """From now on no stream is begun here: the page hears of nothing by itself."""
    page.route(re.compile("/live/"), lambda route: route.abort())


def test_every_tab_goes_to_the_sign_in_and_comes_back(home: House, person: MakePerson) -> None:
    """Was red: they said for ever that the connection was broken."""
    bob = person("bob")
    page = bob.go("/preferences/")
    bob.live()
    other = bob.context.new_page()
    other.goto(f"{home.url}/search/?q=x")
    other.wait_for_function("() => document.documentElement.dataset.live === 'follows'")
    home.end_sessions()
    at_the_door(home, page, "/preferences/")
    at_the_door(home, other, "/search/?q=x")
    pass_the_door(page, "bob", PASSWORD)
    expect(page).to_have_url(f"{home.url}/preferences/")
    page.wait_for_function("() => document.documentElement.dataset.live === 'open'")
    bob.forgive("401")


def test_what_is_typed_is_kept(home: House, person: MakePerson) -> None:
    alice = person("alice")
    path = f"/instances/{home.shop}/"
    page = alice.go(path)
    alice.live()
    proxy, notice = page.locator("[name=proxy]"), page.locator("#signed-out")
    proxy.fill("socks5://proxy.example.com:1080")
    home.end_sessions()
    expect(notice).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#connection")).to_be_hidden()
    expect(proxy).to_have_value("socks5://proxy.example.com:1080")
    assert alice.axe() == []
    # The page holds the stream no longer: another one, which is signed in again, has news.
    other = alice.context.new_page()
    other.goto(f"{home.url}/sign-in/?next=/preferences/")
    pass_the_door(other, "alice", PASSWORD)
    other.wait_for_function("() => document.documentElement.dataset.live === 'open'")
    notice.get_by_role("link").click()
    expect(proxy).to_have_value("")
    alice.forgive("401")


@pytest.mark.parametrize("is_typed", [False, True])
def test_a_fragment_comes_back_to_its_page(home: House, person: MakePerson, is_typed: bool) -> None:
    """Was red: it came back to the first page, and at once, whatever stood in a form."""
    alice = person("alice")
    path = f"/instances/{home.shop}/"
    deafen(alice.page)
    page = alice.go(path)
    home.end_sessions()
    proxy, notice = page.locator("[name=proxy]"), page.locator("#signed-out")
    if is_typed:
        proxy.fill("socks5://proxy.example.com:1080")
    page.evaluate("htmx.trigger('#panel', 'news')")
    if is_typed:
        expect(notice).to_be_visible()
        expect(proxy).to_have_value("socks5://proxy.example.com:1080")
        notice.get_by_role("link").click()
    at_the_door(home, page, path)
    alice.forgive("401", "ERR_FAILED", "htmx:")


def test_an_open_chat_that_asks_for_its_news(home: House, person: MakePerson) -> None:
    """Was red: it took the refusal for nothing new."""
    bob = person("bob")
    page = open_chat(home, bob)
    path = page.url.removeprefix(home.url)
    deafen(page)
    page.reload()
    home.end_sessions()
    page.evaluate("document.dispatchEvent(new CustomEvent('portal:resync'))")
    at_the_door(home, page, path)
    bob.forgive("401", "ERR_FAILED")


def test_nobody_is_sent_to_and_fro(home: House, person: MakePerson) -> None:
    """As where something before the portal refuses the stream alone."""
    bob = person("bob")
    doors: list[str] = []
    bob.page.on("request", lambda request: doors.append(request.url) if "/sign-in/" in request.url else None)

    def refuse(route: Route) -> None:
        route.fulfill(status=401)

    # The page at which they arrived may still be about to ask for its stream, and would be the one that is sent away.
    bob.page.goto("about:blank")
    bob.page.route(re.compile("/live/"), refuse)
    bob.page.goto(f"{home.url}/preferences/", wait_until="commit")
    expect(bob.page.locator("#signed-out")).to_be_visible()
    assert len(doors) == 1
    bob.forgive("401")


def test_too_many_streams_say_so(home: House, person: MakePerson) -> None:
    """Was red: "The live connection is broken"."""
    browser = home.portal.signed_in()
    streams = [browser.open(f"{home.url}/live/", timeout=60) for _ in range(A_PERSON)]
    try:
        for stream in streams:
            assert stream.readline().startswith(b"retry:")
        root = person("")
        root.sign_in("admin", home.portal.password or "")
        page = root.go("/preferences/")
        expect(page.locator("#connection")).to_be_visible()
        expect(page.locator("#connection")).to_have_text(FULL.format(A_PERSON))
        root.forgive("429")
    finally:
        for stream in streams:
            stream.close()
