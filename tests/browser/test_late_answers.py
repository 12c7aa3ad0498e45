"""Pages that answers reach late: what was told while a page or a piece of it was under way is not missed."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import MakePerson
from tests.browser.house import House
from tests.portal_process import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.sqlite_only]

# Longer than a connection takes on this machine, or a state takes to change: what is held back is stale by then.
LATE_SECONDS = 1.5


@pytest.fixture(autouse=True)
def linked(home: House) -> None:
    home.link()


@contextmanager
def late(page: Page, address: str) -> Iterator[None]:
    """What the portal answers at this address arrives late, once."""

    def hold(route: Route) -> None:
        answer = route.fetch()
        time.sleep(LATE_SECONDS)
        route.fulfill(response=answer)

    page.route(re.compile(address), hold, times=1)
    yield


TELL = """
import sys
from instances.models import Instance
from instances.whatsapp import service
from portal.broker import broker
for line in sys.stdin:
    instance = Instance.objects.get(uid="{uid}")
    instance.push_name = line.strip()
    instance.save(update_fields=["push_name"])
    service.publish(instance.uid, "state", {{"state": instance.state}})
    broker().run(broker().reach())
    print("told", flush=True)
"""
Say = Callable[[str], None]


@pytest.fixture(scope="module")
def say(home: House) -> Iterator[Say]:
    """The instance's name changes, and is told of, as the connector does it: at once, by a process that is up."""
    command = [sys.executable, str(ROOT / "manage.py"), "shell", "--no-imports", "-c", TELL.format(uid=home.shop)]
    process = subprocess.Popen(
        command, env=home.portal.environment, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    told, lines = process.stdin, process.stdout

    def tell(name: str) -> None:
        told.write(f"{name}\n")
        told.flush()
        assert lines.readline() == "told\n"

    yield tell
    told.close()
    process.wait(60)


def test_connected_while_the_answer_to_connect_is_under_way(home: House, person: MakePerson) -> None:
    alice = person("alice")
    page = alice.go(f"/instances/{home.shop}/")
    alice.live()
    page.locator("form.choice button", has_text="Disconnect").click()
    expect(page.locator("#panel .pill")).to_have_text("Paused")
    alice.live()
    with late(page, "/connect/"):
        page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.locator("#panel .pill")).to_have_text("Connected")


def test_changed_while_a_piece_is_under_way(home: House, person: MakePerson, say: Say) -> None:
    alice = person("alice")
    page = alice.go(f"/instances/{home.shop}/")
    alice.live()
    with late(page, "/panel/"):
        say("first")
        say("second")
    expect(page.locator("#panel .who strong")).to_have_text("second")


@pytest.mark.parametrize("tabs", [1, 2])
def test_changed_while_the_page_is_under_way(home: House, person: MakePerson, say: Say, tabs: int) -> None:
    alice = person("alice")
    say(f"before {tabs}")
    if tabs == 2:
        # This one holds the stream, and tells the other.
        alice.go("/instances/")
        alice.live()
        alice.page = alice.context.new_page()
    page = alice.page

    def hold(route: Route) -> None:
        answer = route.fetch()
        say(f"after {tabs}")
        route.fulfill(response=answer)

    page.route(re.compile(f"/instances/{home.shop}/$"), hold, times=1)
    alice.go(f"/instances/{home.shop}/")
    expect(page.locator("#panel .who strong")).to_have_text(f"after {tabs}")


def test_told_before_the_page_is_put_together(home: House, person: MakePerson, say: Say) -> None:
    """What is told while a script is still under way: nobody listens in the page as yet."""
    alice = person("alice")
    say("before the script")
    page = alice.page

    def hold(route: Route) -> None:
        say("after the script")
        time.sleep(LATE_SECONDS)
        route.continue_()

    # The last that the page waits for.
    page.route(re.compile(r"/js/keys.*\.js"), hold, times=1)
    alice.go(f"/instances/{home.shop}/")
    expect(page.locator("#panel .who strong")).to_have_text("after the script")


def test_the_tab_that_tells_is_busy(home: House, person: MakePerson, say: Say) -> None:
    alice = person("alice")
    say("before the rush")
    first = alice.go("/instances/")
    alice.live()
    first.evaluate("document.addEventListener('portal:state', () => (window.told = true))")
    second = alice.context.new_page()

    def hold(route: Route) -> None:
        answer = route.fetch()
        say("after the rush")
        first.wait_for_function("() => window.told")
        busy = f"setTimeout(() => {{ const end = Date.now() + {LATE_SECONDS * 1000}; while (Date.now() < end); }})"
        first.evaluate(f"() => {{ {busy} }}")
        route.fulfill(response=answer)

    second.route(re.compile(f"/instances/{home.shop}/$"), hold, times=1)
    second.goto(f"{home.url}/instances/{home.shop}/")
    expect(second.locator("#panel .who strong")).to_have_text("after the rush")


def test_a_tab_that_takes_the_stream_over_knows_what_came_meanwhile(home: House, person: MakePerson, say: Say) -> None:
    alice = person("alice")
    first = alice.go("/instances/")
    alice.live()
    second = alice.context.new_page()
    second.goto(f"{home.url}/instances/{home.shop}/")
    second.wait_for_function("() => document.documentElement.dataset.live === 'follows'")
    # The next stream is long in coming.
    asked: list[str] = []

    def hold(route: Route) -> None:
        asked.append(route.request.url)
        say("meanwhile")
        route.continue_()

    second.route(re.compile("/live/"), hold, times=1)
    first.close()
    expect(second.locator("#panel .who strong")).to_have_text("meanwhile")
    assert len(asked) == 1
