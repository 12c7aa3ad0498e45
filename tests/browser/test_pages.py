"""Every page in a real browser: nothing for axe-core to find, the policy in force, nothing from elsewhere."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakePerson
from tests.browser.house import House
from tests.browser.person import PHONE
from tests.browser.test_pinning import open_chat

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.sqlite_only]

PAGES = [
    "/chats/", "CHAT", "/search/", "/search/?q=hello", "/search/?q=nothingofthekind", "/pins/", "/pins/history/",
    "/pins/planned/", "/pins/many/", "/pins/rules/", "RULE", "NEW RULE", "/pins/figures/", "MESSAGE", "/instances/",
    "INSTANCE", "WEBHOOKS", "WEBHOOK", "WEBHOOK?state=dead", "/preferences/", "/preferences/password/", "/nowhere/",
]  # fmt: skip


def _paths(home: House) -> list[str]:
    chat, message = home.python(f"""
        import json
        from chats.models import Chat
        chat = Chat.objects.get(instance__uid="{home.shop}", jid="{home.ana.jid}")
        print("RESULT", json.dumps([chat.pk, chat.messages.order_by("-pk").values_list("pk", flat=True).first()]))
    """)
    webhook, rule = home.python(f"""
        import json
        from django.utils import timezone
        from uuid import uuid4
        from instances.events.models import Attempt, Delivery, OutgoingEvent, Webhook
        from instances.models import Instance
        shop, at = Instance.objects.get(uid="{home.shop}"), timezone.now()
        hook = Webhook.objects.filter(instance=shop).first()
        if hook is None:
            url = "https://crm.example.com/" + "long" * 40
            hook = Webhook.objects.create(instance=shop, url=url, events=["message.pin"], salt="a", active=False)
            event = OutgoingEvent.objects.create(
                instance=shop, uid=uuid4(), kind="message.pin", at=at, body="{{}}", handed_out=True)
            dead = Delivery.objects.create(
                webhook=hook, event=event, state="dead", give_up_at=at, tries=1, settled_at=at)
            Attempt.objects.create(delivery=dead, at=at, status=500, milliseconds=84, error="", answer="x" * 300)
        from chats.models import Rule
        rule, _ = Rule.objects.get_or_create(
            instance=shop, name="w" * 60, trigger="message", words="hello" + "o" * 90, actor="Alice")
        print("RESULT", json.dumps([str(hook.uid), str(rule.uid)]))
    """)
    instance = f"/instances/{home.shop}/"
    places = {
        "CHAT": f"/chats/{chat}/", "INSTANCE": instance, "MESSAGE": f"/messages/{message}/",
        "RULE": f"/pins/rules/{rule}/", "NEW RULE": f"/pins/rules/{home.shop}/add/", "WEBHOOKS": f"{instance}webhooks/",
        "WEBHOOK": f"{instance}webhooks/{webhook}/",
        "WEBHOOK?state=dead": f"{instance}webhooks/{webhook}/?state=dead",
    }  # fmt: skip
    return [places.get(page, page) for page in PAGES]


@pytest.fixture(autouse=True)
def linked(home: House) -> None:
    home.link()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_axe_finds_nothing(home: House, person: MakePerson, scheme: str, size: str) -> None:
    # The last is what the chat opens at: one word, wider than any screen.
    for text in ("hello, everybody", "hello https://example.com/" + "unbroken" * 40):
        message_id = home.ana.send_text(home.phone.jid, text)
    home.stored(message_id)
    alice = person("alice", color_scheme=scheme, **(PHONE if size == "phone" else {}))
    found = {}
    for path in ["/sign-in/", *_paths(home)]:
        alice.go(path)
        alice.page.wait_for_timeout(150)
        if problems := alice.axe() + alice.wider():
            found[path] = problems
    # A 404 is what was asked for; the browser notes it in the console.
    alice.forgive("404")
    assert found == {}


def test_the_policy_is_in_force(home: House, person: MakePerson) -> None:
    alice = person("alice")
    answer = alice.page.request.get(home.url + "/chats/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    page = alice.go("/chats/")
    # The browser says so a moment later.
    with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
        page.evaluate("""() => {
            const script = document.createElement('script');
            script.textContent = 'window.got_in = true';
            document.head.append(script);
        }""")
    assert page.evaluate("window.got_in") is None
    assert any("Content Security Policy" in line for line in alice.complaints)
    alice.complaints.clear()


def test_the_administration(home: House, person: MakePerson) -> None:
    root = person()
    root.sign_in("admin", home.portal.password or "")
    for path in ("", "auth/user/", "instances/token/", "instances/membership/add/", "portal/auditline/"):
        root.go(f"/admin/{path}")
    page = root.go("/admin/instances/token/add/")
    page.fill("[name=label]", "CRM")
    page.click("[name=_save]")
    secret = page.locator("#secret").inner_text()
    assert secret.startswith("wap_")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert home.portal.post("/api/chat/pinMessage/shop", {"pin": False, "messageId": "x"}, secret)[0] == 500
    page = root.go("/admin/instances/token/")
    assert secret not in page.content()


def test_theme_language_and_time_zone(home: House, person: MakePerson) -> None:
    alice = person("alice")
    page = alice.go("/preferences/")
    expect(page.locator("body")).to_contain_text("America/Sao_Paulo")
    page.get_by_role("button", name="Dark", exact=True).click()
    assert alice.go("/chats/").evaluate("document.documentElement.dataset.theme") == "dark"
    alice.go("/preferences/").get_by_role("button", name="Português").click()
    expect(page.locator("html")).to_have_attribute("lang", "pt")
    expect(page.locator(".rail")).to_contain_text("Conversas")


def test_the_stream_mends_itself(home: House, person: MakePerson) -> None:
    bob = person("bob")
    page = open_chat(home, bob)
    bob.context.set_offline(True)
    page.wait_for_timeout(300)
    home.ana.send_text(home.phone.jid, "while nobody heard")
    page.wait_for_timeout(700)
    bob.context.set_offline(False)
    expect(page.locator("#thread > li", has_text="while nobody heard")).to_be_visible()
    # The browser and htmx say, as they should, that something could not be fetched.
    bob.forgive("ERR_INTERNET", "htmx:")
