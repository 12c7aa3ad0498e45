"""Somebody at a browser: signs in, looks at pages, and notices what the console says."""

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Request, expect

AXE = (Path(__file__).parents[1] / "vendor" / "axe-4.14.1.min.js").read_text()
DESKTOP: dict[str, Any] = {"viewport": {"width": 1360, "height": 850}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 800},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}

# Milliseconds. How long things take is measured in benchmarks; a busy machine is no reason to fail here.
PATIENCE = 30_000
expect.set_options(timeout=PATIENCE)


def pass_the_door(page: Page, name: str, password: str) -> None:
    """Sign in where a page asks for it."""
    page.fill("[name=username]", name)
    page.fill("[name=password]", password)
    page.click("button.primary")
    page.wait_for_url(lambda url: "sign-in" not in url)


class Person:
    """One browser context with one page."""

    def __init__(self, browser: Browser, base: str, **options: Any) -> None:
        self.base = base
        defaults: dict[str, Any] = {**DESKTOP, "timezone_id": "America/Sao_Paulo", "locale": "en-GB"}
        self.context = browser.new_context(**{**defaults, **options})
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        # What the console said, and every address asked for beyond the portal.
        self.complaints: list[str] = []
        self.outside: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", self._look)

    def _look(self, request: Request) -> None:
        if not request.url.startswith((self.base, "data:", "blob:")):
            self.outside.append(request.url)

    def go(self, path: str) -> Page:
        """Open a page of the portal."""
        self.page.goto(self.base + path)
        return self.page

    def sign_in(self, name: str, password: str) -> "Person":
        """Through the door."""
        self.go("/sign-in/")
        pass_the_door(self.page, name, password)
        return self

    def live(self) -> None:
        """Wait until news arrive here."""
        self.page.wait_for_function("() => ['open', 'follows'].includes(document.documentElement.dataset.live)")

    def forgive(self, *words: str) -> None:
        """What the console said with one of these words in it was meant to happen: a test had something fail."""
        self.complaints[:] = [line for line in self.complaints if not any(word in line for word in words)]

    def axe(self) -> list[str]:
        """What axe-core finds on the page as it is, in words."""
        # Through the debugger, not as a script of the page: its policy stays as it is.
        self.page.evaluate(AXE)
        # Unless told otherwise it loads style sheets anew as inline styles, which the policy refuses.
        result = self.page.evaluate("axe.run(document, {resultTypes: ['violations'], preload: false})")
        return [
            f"{one['id']} ({one['impact']}): {node['html'][:160]} {json.dumps(node['any'][:1])[:300]}"
            for one in result["violations"]
            for node in one["nodes"][:3]
        ]

    def wider(self) -> list[str]:
        """What on the page can be scrolled sideways, and should not. Tabs and plots may."""
        found: list[str] = self.page.evaluate(
            """() => [...document.querySelectorAll("html, body, body *")]
            .filter((one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 1)
            .filter((one) => !one.matches(".tabs, .plot-box"))
            .filter((one) => one.tagName === "HTML" || ["auto", "scroll"].includes(getComputedStyle(one).overflowX))
            .map((one) => `wider than its place: ${one.tagName} ${one.id} ${one.className}: ${one.scrollWidth}`)"""
        )
        return found

    def close(self) -> None:
        """Leave."""
        self.context.close()
