"""`make screenshots`: every page, desktop and phone, light and dark, into docs/screenshots."""

import io
import sys
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
# A palette halves a picture of flat colours and cannot be told from the original.
COLOURS = 192


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
    page.locator("#board .pin-menu > summary").first.click()
    page.locator("#board .pin-menu a").first.click()
    page.wait_for_selector(".plan-form")


def drawn(page: Page) -> None:
    page.wait_for_selector(".opblock")


def issue(page: Page) -> None:
    page.fill("[name=label]", "CRM integration")
    page.click("[name=_save]")
    page.wait_for_selector("#secret")


def help_(page: Page) -> None:
    page.keyboard.press("?")
    page.wait_for_selector("#help[open]")


def nothing(page: Page) -> None:
    """As it opens."""


PAGES: list[tuple[str, str, Callable[[Page], None]]] = [
    ("chats", "/chats/", nothing),
    ("chat", "/chats/", ana),
    ("group", "/chats/", group),
    ("photo", "/chats/", photo),
    ("pin", "/chats/", pin_menu),
    ("search", "/search/", nothing),
    ("hits", "/search/?q=gate+code", nothing),
    ("export", "/search/?q=gate+code", export),
    ("export-menu", "/search/?q=gate+code", export_menu),
    ("no-hits", "/search/?q=zeppelin", nothing),
    ("pins", "/pins/", nothing),
    ("planned", "/pins/planned/", nothing),
    ("plan", "/pins/", plan),
    ("history", "/pins/history/", nothing),
    ("instances", "/instances/", nothing),
    ("instance", "/instances/", instance),
    ("instance-settings", "/instances/", below),
    ("webhooks", "/instances/", webhooks),
    ("webhook", "/instances/", webhook),
    ("webhook-given-up", "/instances/", given_up),
    ("linking", "/instances/", link),
    ("preferences", "/preferences/", nothing),
    ("keyboard", "/chats/", help_),
    ("reference", "/reference/", drawn),
    ("operation", "/reference/", operation),
    ("admin", "/admin/", nothing),
    ("admin-token-issued", "/admin/instances/token/add/", issue),
    ("admin-tokens", "/admin/instances/token/", nothing),
    ("admin-token-rotate", "/admin/instances/token/1/rotate/", nothing),
    ("admin-user", "/admin/auth/user/2/change/", nothing),
    ("admin-audit", "/admin/portal/auditline/", nothing),
]


def save(page: Page, name: str) -> None:
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    small = picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.save(FOLDER / f"{name}.png", optimize=True)


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
            complaints += somebody.complaints
            somebody.close()
    return complaints


def main() -> None:
    """Names of pages as arguments limit it to those."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with Stage() as stage, chromium() as browser:
        furnish(stage)
        complaints = take(browser, stage.url, sys.argv[1:])
    print(f"{len(list(FOLDER.glob('*.png')))} pictures in {FOLDER.relative_to(Path.cwd())}")
    for line in complaints:
        print("console:", line)


if __name__ == "__main__":
    main()
