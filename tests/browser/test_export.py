"""An export as somebody at a browser sees it: how far it is, the file at the end, and giving it up."""

import csv
import io
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.browser.conftest import MakePerson
from tests.browser.house import House

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.sqlite_only]

ROWS = 6_000
UNHINDERED = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
# Every value the bar has had, and the words beside it.
WATCH = """() => {
  window.seen = [];
  const panel = document.getElementById('export');
  new MutationObserver(() => {
    const bar = panel.querySelector('progress');
    window.seen.push([panel.dataset.state, bar.hasAttribute('value') ? bar.value : null]);
  }).observe(panel, {subtree: true, attributes: true, childList: true, characterData: true});
}"""


@pytest.fixture(scope="module", autouse=True)
def messages(home: House) -> Iterator[None]:
    """A long chat of the past; the other tests' house is left as it was."""
    home.python(f"""
        from datetime import UTC, datetime, timedelta
        from chats.models import Chat, Message
        from chats.search import catch_up
        from instances.models import Instance
        shop = Instance.objects.get(uid="{home.shop}")
        jid = "5511940000999@s.whatsapp.net"
        chat, made = Chat.objects.get_or_create(instance=shop, jid=jid, defaults={{"kind": "direct"}})
        start = datetime(2020, 1, 1, tzinfo=UTC)
        Message.objects.bulk_create([
            Message(instance=shop, chat=chat, sender=jid, message_id=f"X{{n}}", from_me=False, kind="text",
                    sent_at=start + timedelta(minutes=n), text=f"=exported {{n}}", wire_chat=jid, wire_sender=jid)
            for n in range({ROWS})
        ] if made else [], batch_size=500)
        catch_up()
    """)
    yield
    home.python("""
        from chats.models import Chat
        from chats.search import catch_up
        Chat.objects.filter(jid="5511940000999@s.whatsapp.net").delete()
        catch_up()
    """)


def begin(page: Page, words: str = "CSV") -> None:
    page.get_by_text("Export", exact=True).click()
    page.get_by_role("link", name=words).click()


def slow_down(page: Page, kilobytes: int) -> CDPSession:
    """From now on no more than so much a second comes here: otherwise all of it may be there at the first look."""
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", {**UNHINDERED, "downloadThroughput": kilobytes * 1024})
    return network


def test_it_works(home: House, person: MakePerson, tmp_path: Path) -> None:
    bob = person("bob")
    page = bob.go("/search/?q=exported")
    page.evaluate(WATCH)
    slow_down(page, 200)
    with page.expect_download() as download:
        begin(page)
    panel = page.locator("#export")
    expect(panel).to_contain_text("Exported.")
    expect(panel).to_contain_text("6,000 / 6,000")
    seen = page.evaluate("window.seen")
    values = [value for state, value in seen if state == "running"]
    assert values == sorted(values), "it only goes forward"
    assert any(0 < value < 1 for value in values), values
    assert bob.axe() == []
    download.value.save_as(tmp_path / "export.csv")
    rows = list(csv.reader(io.StringIO((tmp_path / "export.csv").read_text("utf-8-sig"), newline="")))
    assert len(rows) == ROWS + 1
    assert rows[1][8] == f"'=exported {ROWS - 1}"


def test_giving_it_up(home: House, person: MakePerson) -> None:
    bob = person("bob")
    page = bob.go("/search/?q=exported")
    downloads: list[object] = []
    page.on("download", lambda download: downloads.append(download))
    network = slow_down(page, 50)
    begin(page, "JSON")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#export")).to_contain_text("Cancelled. Nothing was saved.")
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#export")).to_be_hidden()
    time.sleep(0.5)
    assert downloads == []
    # The places of those who gave up are free again.
    for _ in range(4):
        begin(page, "JSON")
        page.get_by_role("button", name="Cancel").click()
        page.wait_for_timeout(1_000)  # The portal hears of it a moment later.
    network.send("Network.emulateNetworkConditions", UNHINDERED)
    with page.expect_download():
        begin(page, "JSON")
    expect(page.locator("#export")).to_contain_text("Exported.")


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("text/html", "<!doctype html><title>The portal is busy</title>", "The export broke off"),
        ("text/plain; charset=utf-8", "Those were many exports.", "Those were many exports."),
    ],
)
def test_a_refusal_is_told_in_words(home: House, person: MakePerson, kind: str, body: str, words: str) -> None:
    """Was red: a busy portal's page stood there as its source."""
    bob = person("bob")
    page = bob.go("/search/?q=exported")
    page.route(re.compile("format="), lambda route: route.fulfill(status=503, content_type=kind, body=body))
    begin(page)
    expect(page.locator("#export")).to_contain_text(words)
    assert "<" not in page.locator("#export").inner_text()
    bob.forgive("503")


def test_who_is_signed_out_goes_to_the_sign_in(home: House, person: MakePerson) -> None:
    """Was red: "The export broke off", as often as one tried."""
    bob = person("bob")
    # The page does not hear of it by itself.
    bob.page.route(re.compile("/live/"), lambda route: route.abort())
    page = bob.go("/search/?q=exported")
    home.end_sessions()
    begin(page)
    expect(page).to_have_url(f"{home.url}/sign-in/?next=%2Fsearch%2F%3Fq%3Dexported")
    bob.forgive("ERR_FAILED")


def test_a_viewer_is_not_offered_it(home: House, person: MakePerson) -> None:
    page = person("vera").go("/search/?q=exported")
    expect(page.locator(".hit").first).to_be_visible()
    expect(page.get_by_text("Export", exact=True)).to_have_count(0)
