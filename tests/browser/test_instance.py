"""An instance's own page: how much of the phone's history is here, and for how many days messages are kept."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import MakePerson
from tests.browser.house import House
from tests.browser.person import PHONE, Person
from tests.loopback import Actor

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.sqlite_only]


def gone(home: House, uid: str) -> None:
    """Take away what a test made: others count what is there."""
    home.python(f"""
        from instances import lifecycle
        from instances.models import Instance
        lifecycle.delete(Instance.objects.get(uid="{uid}"))
    """)


def test_the_history_grows_on_the_page_by_itself(home: House, person: MakePerson, tmp_path: Path) -> None:
    """Through the phone, the connector and the news, without a reload."""
    # Only a phone gives history.
    with Actor(home.wa, home.wa.account("Archive", "5511940000003"), tmp_path, primary=True) as phone:
        uid = home.link_another("archive", phone.account)
        alice = person("alice")
        page = alice.go(f"/instances/{uid}/")
        alice.live()
        panel = page.locator("#panel")
        expect(panel).to_contain_text("Connected")
        expect(panel).not_to_contain_text("History")
        page.evaluate("window.stayed = true")
        for number, percent in enumerate((40, 100)):
            phone.share_large_history(number, 1, 5, percent)
            shown = panel.locator("dl div", has_text="History").locator("dd")
            expect(shown).to_have_text(f"{percent} %")
        assert page.evaluate("window.stayed")
        page.goto("about:blank")
        gone(home, uid)


@pytest.fixture
def archive(home: House) -> Iterator[str]:
    """An instance of Alice's with a message of 40 days ago and one of today; its uid."""
    uid: str = home.python(f"""
        import json
        from datetime import timedelta
        from django.utils import timezone
        from chats.models import Chat, Message
        from instances.models import Instance
        shop = Instance.objects.get(uid="{home.shop}")
        archive = Instance.objects.create(account=shop.account, name="archive", wanted=False)
        jid = "5511940000009@s.whatsapp.net"
        chat = Chat.objects.create(instance=archive, jid=jid, kind=Chat.Kind.DIRECT)
        for days in (0, 40):
            Message.objects.create(
                instance=archive, chat=chat, sender=jid, message_id=f"3EB0{{days}}", from_me=False, kind="text",
                text="long ago", sent_at=timezone.now() - timedelta(days=days), wire_chat=jid, wire_sender=jid)
        print("RESULT", json.dumps(str(archive.uid)))
    """)
    yield uid
    gone(home, uid)


def save(page: Page, days: str) -> None:
    """Write the days, and save them."""
    page.get_by_label("Days").fill(days)
    page.locator("#keeping").get_by_role("button", name="Save").click()


def kept(home: House, uid: str) -> int | None:
    """For how many days messages are kept there, as it is stored."""
    days: int | None = home.python(f"""
        import json
        from instances.models import Instance
        print("RESULT", json.dumps(Instance.objects.get(uid="{uid}").keep_days))
    """)
    return days


def test_what_would_delete_messages_asks_first(home: House, person: MakePerson, archive: str) -> None:
    alice = person("alice")
    page = alice.go(f"/instances/{archive}/")
    save(page, "500")
    expect(page.locator(".notices")).to_contain_text("The settings are saved")
    expect(page.get_by_label("Days")).to_have_value("500")
    save(page, "30")
    keeping = page.locator("#keeping")
    expect(keeping.get_by_role("alert")).to_contain_text("Messages older than 30 days would be deleted")
    expect(keeping.get_by_role("alert")).to_contain_text("That is one of those that are here now")
    # It stands far below the fold, and is what one sees.
    expect(keeping.get_by_role("alert")).to_be_in_viewport()
    button = keeping.get_by_role("button", name="Save, and delete them")
    expect(button).to_be_disabled()
    keeping.get_by_role("link", name="Cancel").click()
    expect(page.get_by_label("Days")).to_have_value("500")
    assert kept(home, archive) == 500
    save(page, "30")
    keeping.locator("[name=name]").fill("archive")
    button.click()
    expect(page.locator(".notices")).to_contain_text("The settings are saved")
    assert kept(home, archive) == 30
    save(page, "")
    expect(page.get_by_label("Days")).to_have_value("")
    assert kept(home, archive) is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_it_can_be_read(home: House, person: MakePerson, archive: str, scheme: str, size: str) -> None:
    alice: Person = person("alice", color_scheme=scheme, **(PHONE if size == "phone" else {}))
    for path in ("", "?keep_days=30"):
        page = alice.go(f"/instances/{archive}/{path}")
        page.locator("#keeping").scroll_into_view_if_needed()
        page.wait_for_timeout(150)
        assert alice.axe() + alice.wider() == []
