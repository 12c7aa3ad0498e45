"""`make screenshots`: every page, desktop and phone, light and dark, into docs/screenshots."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page

from tests.browser.chromium import chromium
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
    ("pin", "/chats/", pin_menu),
    ("search", "/search/", nothing),
    ("hits", "/search/?q=gate+code", nothing),
    ("no-hits", "/search/?q=zeppelin", nothing),
    ("pins", "/pins/", nothing),
    ("history", "/pins/history/", nothing),
    ("instances", "/instances/", nothing),
    ("instance", "/instances/", instance),
    ("linking", "/instances/", link),
    ("preferences", "/preferences/", nothing),
    ("keyboard", "/chats/", help_),
    ("admin", "/admin/", nothing),
    ("admin-token-issued", "/admin/instances/token/add/", issue),
    ("admin-tokens", "/admin/instances/token/", nothing),
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
        complaints = take(browser, stage.url, sys.argv[1:])
    print(f"{len(list(FOLDER.glob('*.png')))} pictures in {FOLDER.relative_to(Path.cwd())}")
    for line in complaints:
        print("console:", line)


if __name__ == "__main__":
    main()
