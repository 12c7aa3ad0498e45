"""The weight of the first page, and the time until a colleague's browser shows a pin. Prints a JSON line a figure."""

import statistics
import time

from tests.bench.paging.server import tell
from tests.browser.chromium import chromium
from tests.browser.person import Person
from tests.demo.people import PASSWORD
from tests.demo.stage import Stage

PINS = 20
WEIGHT = """() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
    .reduce((sum, one) => sum + one.transferSize, 0)"""
# Stamped by the page itself the moment the pin is in its document.
WATCH = """(text) => {
    window.seen = 0;
    new MutationObserver(() => {
        const row = [...document.querySelectorAll('#thread > li')].find((one) => one.textContent.includes(text));
        if (!window.seen && row?.querySelector('.pin-state.pinned')) window.seen = Date.now();
    }).observe(document.getElementById('thread'), { childList: true, subtree: true });
}"""


def main() -> None:
    with Stage(messages=2_000, contacts=True) as stage, chromium() as browser:
        weights = {}
        for name, path in (("chats", "/chats/"), ("search", "/search/?q=gate+code")):
            fresh = Person(browser, stage.url).sign_in("olivia", PASSWORD)
            fresh.context.clear_cookies(name="theme")
            cold = Person(browser, stage.url)
            cold.context.add_cookies(fresh.context.cookies())  # type: ignore[arg-type]
            cold.go(path)
            if name == "chats":
                cold.go(cold.page.locator(".chat-row", has_text="Ana Souza").first.get_attribute("href") or "")
                # A cache that is as empty as on the first day.
                colder = Person(browser, stage.url)
                colder.context.add_cookies(fresh.context.cookies())  # type: ignore[arg-type]
                colder.go(cold.page.url.removeprefix(stage.url))
                cold = colder
            cold.page.wait_for_timeout(1_000)
            weights[name] = cold.page.evaluate(WEIGHT) / 1000
        tell("browser-first-page", max(weights.values()), "kB")

        one, other = (Person(browser, stage.url).sign_in(name, PASSWORD) for name in ("olivia", "victor"))
        for somebody in (one, other):
            somebody.go("/chats/").locator(".chat-row", has_text="Ana Souza").first.click()
            somebody.page.wait_for_selector("#thread")
            somebody.live()
        row = one.page.locator("#thread > li", has_text="A hard wax oil")
        delays: list[float] = []
        for _ in range(PINS):
            other.page.evaluate(WATCH, "A hard wax oil")
            row.hover()
            row.locator(".pin-menu > summary").click()
            began = time.time()
            row.get_by_role("button", name="7 days").click()
            other.page.wait_for_function("() => window.seen > 0")
            delays.append(other.page.evaluate("window.seen") / 1000 - began)
            row.locator(".pin-state.pinned").wait_for()
            row.hover()
            row.get_by_role("button", name="Unpin").click()
            row.locator(".pin-state.pinned").wait_for(state="detached")
            other.page.locator("#thread > li", has_text="A hard wax oil").locator(".pin-state.pinned").wait_for(
                state="detached"
            )
        tell("browser-pin-seen-median", statistics.median(delays), "s")
        tell("browser-pin-seen", max(delays), "s")


if __name__ == "__main__":
    main()
