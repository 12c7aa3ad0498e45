"""A contact's picture and document, as somebody at a browser gets to see them."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import MakePerson
from tests.browser.house import House
from tests.browser.person import Person
from tests.browser.test_pinning import open_chat
from tests.e2e.test_media import picture

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.sqlite_only]

SIDE = "img => img.complete && img.naturalWidth"


@pytest.fixture(autouse=True)
def linked(home: House) -> None:
    home.link()


def received(home: House, person: Person, kind: str, content: bytes, **fields: object) -> tuple[Page, Locator, str]:
    """The open chat, the message in it, and the file's path at WhatsApp."""
    page = open_chat(home, person)
    sent = home.ana.send_file(home.phone.jid, kind, content, **fields)
    row = page.locator("#thread > li").last
    expect(row.locator(".file")).to_be_visible()
    return page, row, sent["path"]


def test_a_picture(home: House, person: MakePerson) -> None:
    vera = person("vera")
    page, row, path = received(home, vera, "image", picture(side=64), mimetype="image/png", caption="our new sign")
    assert path.partition("?")[0] not in home.wa.media.fetched
    row.get_by_role("button", name="Show").click()
    shown = row.locator(".file img")
    expect(shown).to_be_visible()
    assert shown.evaluate(SIDE) == 64
    assert vera.axe() == []
    # The next look needs no WhatsApp, and no click.
    home.wa.media.only(path).status = 410
    page.reload()
    again = page.locator("#thread > li", has_text="our new sign").locator(".file img")
    expect(again).to_be_visible()
    page.wait_for_function("() => [...document.querySelectorAll('.file img')].every((one) => one.naturalWidth)")


def test_news_of_a_message_whose_file_is_being_fetched(home: House, person: MakePerson) -> None:
    """Was red: the message was drawn anew, and what came for the old one was shown nowhere."""
    page, row, _ = received(home, person("vera"), "image", picture(side=48), mimetype="image/png", caption="meanwhile")
    page.evaluate("""() => {
        window.drawn = new Promise((done) => document.addEventListener("portal:drawn", done, {once: true}));
        const send = XMLHttpRequest.prototype.send;
        XMLHttpRequest.prototype.send = function (...all) { setTimeout(() => send.apply(this, all), 3000); };
    }""")
    row.get_by_role("button", name="Show").click()
    page.evaluate("""() => {
        const row = [...document.querySelectorAll("#thread > li")].at(-1);
        row.classList.add("old");
        const detail = {instance: document.getElementById("messages").dataset.instance, changed: [row.dataset.message]};
        document.dispatchEvent(new CustomEvent("portal:messages", {detail}));
        return window.drawn;
    }""")
    assert row.locator(".file img").count() == 0
    expect(row.locator(".file img")).to_be_visible()
    # What was told meanwhile is not forgotten.
    expect(page.locator("#thread > li").last).not_to_have_class(re.compile(r"\bold\b"))
    expect(row.locator(".file img")).to_be_visible()


def test_a_document_is_saved(home: House, person: MakePerson, tmp_path: Path) -> None:
    bob = person("bob")
    content = b"<script>document.title = 'taken over'</script>" * 20_000
    page, row, _ = received(home, bob, "document", content, mimetype="text/html", fileName="offer.html")
    row.get_by_role("button", name="Fetch").click()
    with page.expect_download() as download:
        row.get_by_role("link", name="Save").click()
    assert download.value.suggested_filename == "offer.html"
    download.value.save_as(tmp_path / "offer.html")
    assert (tmp_path / "offer.html").read_bytes() == content


def test_one_that_whatsapp_no_longer_has(home: House, person: MakePerson) -> None:
    bob = person("bob")
    _, row, path = received(home, bob, "image", picture(b"\1\2\3"), mimetype="image/png")
    home.wa.media.only(path).status = 410
    row.get_by_role("button", name="Show").click()
    expect(row.get_by_role("alert")).to_contain_text("WhatsApp no longer has this file")
    home.wa.media.only(path).status = 200
    row.get_by_role("button", name="Try again").click()
    expect(row.locator(".file img")).to_be_visible()
