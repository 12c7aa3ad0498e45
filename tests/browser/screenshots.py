"""`make screenshots`: every page, desktop and phone, light and dark, on one sheet a page into docs/screenshots."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page

from tests.browser.chromium import chromium
from tests.browser.furniture import furnish
from tests.browser.person import DESKTOP, PHONE, Person
from tests.demo.people import PASSWORD
from tests.demo.stage import Stage

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
SIZES: dict[str, dict[str, Any]] = {
    "desktop": DESKTOP,
    "phone": {**PHONE, "device_scale_factor": 1.5},
}
# The single pictures, to be looked at from near.
RAW = Path(tempfile.mkdtemp(prefix="portal-screenshots-"))
README = "chat-desktop-light"
SHEET_HEIGHT, GAP = 640, 12


def ana(page: Page) -> None:
    page.locator(".chat-row", has_text="Ana Souza").first.click()
    page.wait_for_selector("#thread")


def group(page: Page) -> None:
    page.locator(".chat-row", has_text="Deliveries").first.click()
    page.wait_for_selector("#thread")


def pin_menu(page: Page) -> None:
    ana(page)
    row = page.locator("#thread > li", has_text="A hard wax oil")
    row.scroll_into_view_if_needed()
    row.hover()
    row.locator(".pin-menu > summary").click()


def link(page: Page) -> None:
    page.locator(".instance-row", has_text="new phone").click()
    button = page.get_by_role("button", name="Link a phone with a QR code")
    if button.count():
        button.click()
    page.wait_for_selector("#qr svg.qr", timeout=20_000)
    page.wait_for_timeout(400)


def instance(page: Page) -> None:
    page.locator(".instance-row", has_text="shop").first.click()
    page.wait_for_selector("#panel")


def below(page: Page) -> None:
    """The instance's settings, which stand below the fold."""
    instance(page)
    page.locator("#by-itself").evaluate("heading => heading.closest('section').scrollIntoView()")


def keeping(page: Page) -> None:
    """What is asked before messages are deleted."""
    instance(page)
    page.get_by_label("Days").fill("30")
    page.locator("#keeping").get_by_role("button", name="Save").click()
    page.wait_for_selector("#keeping [role=alert]")


def webhooks(page: Page) -> None:
    instance(page)
    page.get_by_role("link", name="Webhooks").click()
    page.wait_for_selector("main .pill")


def webhook(page: Page) -> None:
    webhooks(page)
    page.locator("main .panel-head > a").first.click()
    page.wait_for_selector("main time")


def given_up(page: Page) -> None:
    webhook(page)
    page.get_by_role("link", name="Given up").click()
    page.wait_for_selector("[aria-current]:has-text('Given up')")


def photo(page: Page) -> None:
    ana(page)
    row = page.locator("#thread > li", has_text="The wall it will stand at")
    # Once seen, it is here without a click.
    show = row.get_by_role("button", name="Show")
    if show.count():
        show.click()
    row.locator(".file img").wait_for()
    page.locator("#messages").evaluate("box => box.scrollTo(0, box.scrollHeight)")


def export(page: Page) -> None:
    """Half way: a body that never ends is not to be had here, so the panel is shown as it looks then."""
    page.evaluate(
        """() => {
        const panel = document.getElementById("export");
        panel.hidden = false;
        for (const part of panel.querySelectorAll("[data-when]"))
          part.hidden = !part.dataset.when.split(" ").includes("running");
        panel.querySelector("progress").value = 0.42;
        panel.querySelector("[data-count]").textContent = "1,218";
        panel.querySelector("[data-total]").textContent = "2,900";
    }"""
    )


def export_menu(page: Page) -> None:
    page.get_by_text("Export", exact=True).click()


def operation(page: Page) -> None:
    page.locator("#operations-chat-chatPinMessage .opblock-summary-control").click()
    page.locator("#operations-chat-chatPinMessage").scroll_into_view_if_needed()


def plan(page: Page) -> None:
    """The page of one pin."""
    pinned = page.locator("#board .is-pinned .pin-menu").first
    pinned.locator("summary").click()
    pinned.locator("a").click()
    page.wait_for_selector(".plan-form")


def rule(page: Page) -> None:
    page.locator(".rule-row", has_text="Gate codes").click()
    page.wait_for_selector(".facts")


def new_rule(page: Page) -> None:
    page.locator("summary", has_text="New rule").click()
    page.locator(".page-head .menu-box a", has_text="shop").click()
    page.wait_for_selector(".rule-form")


def drawn(page: Page) -> None:
    page.wait_for_selector(".opblock")


def issue(page: Page) -> None:
    page.fill("[name=label]", "CRM integration")
    page.click("[name=_save]")
    page.wait_for_selector("#secret")


def refused(page: Page) -> None:
    """The door, with a wrong password."""
    page.context.clear_cookies()
    page.reload()
    page.fill("[name=username]", "nobody")
    page.fill("[name=password]", "wrong")
    page.click("button.primary")
    page.wait_for_selector(".notice.error")


def failed(page: Page) -> None:
    """A pin that could not be: nothing holds the connection of the new phone."""
    page.locator(".hit .pin-menu > summary").first.click()
    page.locator(".durations button").nth(1).locator("visible=true").click()
    page.wait_for_selector(".pin-control.failed")


def help_(page: Page) -> None:
    page.keyboard.press("?")
    page.wait_for_selector("#help[open]")


def ticked(page: Page) -> None:
    """Three hits, and the bar that says what can be done with them."""
    for number in (0, 3, 4):
        page.locator(".hit .tick input").nth(number).check()
    page.wait_for_selector("#many:not([hidden])")


def batch(page: Page) -> None:
    page.locator(".batch-head a").first.click()
    page.wait_for_selector(".plan")


def nothing(page: Page) -> None:
    """As it opens."""


MANY = "/search/?q=from:Ana+in:Deliveries+is:pinned+type:text+after:2026-01-31+before:2027-03+instance:shop+tour"
PAGES: list[tuple[str, str, Callable[[Page], None]]] = [
    ("chats", "/chats/", nothing),
    ("photo", "/chats/", photo),
    ("chat", "/chats/", ana),
    ("group", "/chats/", group),
    ("pin", "/chats/", pin_menu),
    ("search", "/search/", nothing),
    ("hits", "/search/?q=gate+code", nothing),
    ("many", "/search/?q=gate+code", ticked),
    ("export", "/search/?q=gate+code", export),
    ("export-menu", "/search/?q=gate+code", export_menu),
    ("no-hits", "/search/?q=zeppelin", nothing),
    ("many-filters", MANY, nothing),
    ("no-chats", "/chats/?filter=zeppelin", nothing),
    ("pins", "/pins/", nothing),
    ("planned", "/pins/planned/", nothing),
    ("plan", "/pins/", plan),
    ("rules", "/pins/rules/", nothing),
    ("rule", "/pins/rules/", rule),
    ("rule-new", "/pins/rules/", new_rule),
    ("figures", "/pins/figures/", nothing),
    ("batches", "/pins/many/", nothing),
    ("batch", "/pins/many/", batch),
    ("history", "/pins/history/", nothing),
    ("instances", "/instances/", nothing),
    ("instance", "/instances/", instance),
    ("instance-settings", "/instances/", below),
    ("instance-keeping", "/instances/", keeping),
    ("webhooks", "/instances/", webhooks),
    ("webhook", "/instances/", webhook),
    ("webhook-given-up", "/instances/", given_up),
    ("linking", "/instances/", link),
    ("preferences", "/preferences/", nothing),
    ("keyboard", "/chats/", help_),
    ("reference", "/reference/", drawn),
    ("operation", "/reference/", operation),
    ("failed-pin", "/search/?q=juniper", failed),
    ("not-found", "/chats/999999/", nothing),
    ("password", "/preferences/password/", nothing),
    ("admin", "/admin/", nothing),
    ("admin-token-issued", "/admin/instances/token/add/", issue),
    ("admin-tokens", "/admin/instances/token/", nothing),
    ("admin-token-rotate", "/admin/instances/token/1/rotate/", nothing),
    ("admin-user", "/admin/auth/user/2/change/", nothing),
    ("admin-audit", "/admin/portal/auditline/", nothing),
    ("refused", "/sign-in/", refused),
]


def save(page: Page, name: str) -> None:
    page.screenshot(path=RAW / f"{name}.png")


def sheet(name: str) -> None:
    """Light above dark, desktop beside phone, smaller than they are and readable."""
    rows = []
    for scheme in ("light", "dark"):
        pictures = (Image.open(RAW / f"{name}-{size}-{scheme}.png").convert("RGB") for size in SIZES)
        rows.append([one.resize((one.width * SHEET_HEIGHT // one.height, SHEET_HEIGHT)) for one in pictures])
    width = sum(one.width for one in rows[0]) + GAP
    whole = Image.new("RGB", (width, 2 * SHEET_HEIGHT + GAP), "#808890")
    for at, (desktop, phone) in enumerate(rows):
        whole.paste(desktop, (0, at * (SHEET_HEIGHT + GAP)))
        whole.paste(phone, (desktop.width + GAP, at * (SHEET_HEIGHT + GAP)))
    whole.save(FOLDER / f"{name}.webp", quality=62, method=6)


def gallery() -> None:
    """The page that shows all sheets."""
    names = [name for name in ("sign-in", *(name for name, _, _ in PAGES)) if (FOLDER / f"{name}.webp").exists()]
    lines = ["# Every page", "", "Made by `make screenshots`, with the people of `make demo`.", ""]
    for name in names:
        lines += [f"## {name.replace('-', ' ').capitalize()}", "", f"![{name}]({name}.webp)", ""]
    (FOLDER / "README.md").write_text("\n".join(lines).rstrip() + "\n")


def take(browser: Browser, url: str, wanted: list[str]) -> list[str]:
    """All pictures; what the console said comes back."""
    complaints = []
    for size, options in SIZES.items():
        for scheme in ("light", "dark"):
            somebody = Person(browser, url, color_scheme=scheme, **options)
            # Pictures are no test of speed: a busy machine may take its time.
            somebody.page.set_default_timeout(60_000)
            somebody.go("/sign-in/")
            if not wanted or "sign-in" in wanted:
                save(somebody.page, f"sign-in-{size}-{scheme}")
            somebody.sign_in("admin", PASSWORD)
            for name, path, act in PAGES:
                if wanted and name not in wanted:
                    continue
                act(somebody.go(path))
                somebody.page.wait_for_timeout(700)
                save(somebody.page, f"{name}-{size}-{scheme}")
            # "Not here" is a page as well, and the browser notes that it came with a 404.
            complaints += [line for line in somebody.complaints if "404" not in line]
            somebody.close()
    return complaints


def main() -> None:
    """Names of pages as arguments limit it to those."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = sys.argv[1:]
    with Stage() as stage:
        # Before the browser: its driver brings an event loop, and Django then refuses to work in this thread.
        furnish(stage)
        with chromium() as browser:
            complaints = take(browser, stage.url, wanted)
    for name in ("sign-in", *(name for name, _, _ in PAGES)):
        if not wanted or name in wanted:
            sheet(name)
    gallery()
    if not wanted or "chat" in wanted:
        Image.open(RAW / f"{README}.png").convert("RGB").save(FOLDER / f"{README}.webp", quality=80, method=6)
    print(f"{len(list(FOLDER.glob('*.webp')))} sheets in {FOLDER}; single pictures in {RAW}")
    for line in complaints:
        print("console:", line)


if __name__ == "__main__":
    main()
