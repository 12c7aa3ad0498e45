"""What the page says to who pressed something that did not work: each fault in its own words."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import MakePerson
from tests.browser.house import House
from tests.browser.test_pinning import arrived, open_chat

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.sqlite_only]

BUSY = "The portal could not do that just now. Try again in a moment."
REFUSED = "The portal refused that. Reload the page and try again."
GONE = "It is not here any more. Reload the page to see what is."
OFFLINE = "That did not work. Check your connection and try again."


def answer(status: int) -> Callable[[Route], None]:
    """The portal's answer, as the browser gets it."""
    return lambda route: route.fulfill(status=status)


def test_it_works(home: House, person: MakePerson) -> None:
    """Was red: what was gone said nothing, and all else was the connection's fault."""
    home.link()
    bob = person("bob")
    page = open_chat(home, bob)
    text = "what nobody can pin"
    row = arrived(home, bob, text)
    row.hover()
    row.locator(".pin-menu > summary").click()
    button, toast = row.get_by_role("button", name="7 days"), page.locator("#toast")
    faults: tuple[tuple[Callable[[Route], None], str], ...] = (
        (answer(400), REFUSED),
        (answer(503), BUSY),
        (answer(403), REFUSED),
        (answer(500), BUSY),
        (lambda route: route.abort(), OFFLINE),
        (answer(429), BUSY),
    )
    for fault, words in faults:
        page.route(re.compile(r"/pin/$"), fault, times=1)
        button.click()
        expect(toast).to_have_text(words)
        expect(toast).to_be_visible()
        expect(button).to_be_enabled()
    home.python(f"from chats.models import Message; Message.objects.filter(text={text!r}).delete()")
    button.click()
    expect(toast).to_have_text(GONE)
    bob.forgive("responded with a status of", "Response Status Error Code", "ERR_FAILED", "htmx:")


def test_what_is_live_and_gone_needs_no_word(home: House, person: MakePerson) -> None:
    home.link()
    bob = person("bob")
    page = open_chat(home, bob)
    row = arrived(home, bob, "gone while one looks")
    # Heard after the page's own script has.
    page.evaluate("document.addEventListener('htmx:responseError', () => (window.refused = true))")
    page.route(re.compile("/pin-control/$"), answer(404), times=1)
    row.locator(".pin-control").evaluate("control => htmx.trigger(control, 'news')")
    page.wait_for_function("() => window.refused")
    expect(page.locator("#toast")).to_be_hidden()
    bob.forgive("404", "htmx:")
