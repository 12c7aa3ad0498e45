"""Arabic and Hebrew stand as they are read: from the right, whatever names and numbers are in them."""

from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import MakePerson
from tests.browser.house import House
from tests.browser.test_reading import arrive, number_of
from tests.e2e.scene import wait

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.sqlite_only]

GUEST = number_of(70)
ARABIC = "مرحبا Ana، الطلب 1234 جاهز!"
LONG = ARABIC * 9
LATIN = "Hello Ana, order 1234 is ready!"
# Of the first and the last character, and of the place they stand in: where it begins and ends, from left to right.
EDGES = """(place) => {
    const walk = document.createTreeWalker(place, NodeFilter.SHOW_TEXT), texts = [];
    while (walk.nextNode()) if (walk.currentNode.data.trim()) texts.push(walk.currentNode);
    const edges = (text, at) => {
        const range = document.createRange();
        range.setStart(text, at);
        range.setEnd(text, at + 1);
        const { left, right } = range.getBoundingClientRect();
        return [left, right];
    };
    const whole = (place.closest(".last, .pinned-text") || place).getBoundingClientRect(), last = texts.at(-1);
    return [edges(texts[0], 0), edges(last, last.data.trimEnd().length - 1), [whole.left, whole.right]];
}"""


@pytest.fixture(scope="module")
def chat(home: House) -> Iterator[int]:
    """A chat with a message of each, the last of them pinned."""
    home.link()
    found = arrive(home, (GUEST, f"{LATIN}\n{ARABIC}", 5), (GUEST, LATIN, 4), (GUEST, ARABIC, 3), (GUEST, LONG, 2))
    home.python(f"""
        from datetime import timedelta
        from django.utils import timezone
        from chats.models import Message, Pin
        ends = timezone.now() + timedelta(days=9)
        message = Message.objects.filter(chat={found}).order_by("sent_at").last()
        Pin.objects.create(message=message, state="pinned", pinned_at=timezone.now(), expires_at=ends)
    """)
    yield found
    home.python(f"from chats.models import Pin; Pin.objects.filter(message__chat={found}).delete()")


def from_the_right(place: Locator) -> bool:
    """Whether the text begins at the right end of its place, where it is not cut off, and ends further left."""
    (_, begins), (ends, _), (_, right) = place.evaluate(EDGES)
    return bool(abs(begins - right) < 2 and ends < begins - 20)


def from_both(place: Locator) -> bool:
    """Whether its first paragraph begins at the left, and its last one at the right, so that it ends further left."""
    (first, _), (last, _), (left, right) = place.evaluate(EDGES)
    return bool(abs(first - left) < 2 and last < right - 100)


def test_each_message_is_read_from_its_own_side(home: House, person: MakePerson, chat: int) -> None:
    """Was red: all were laid out from the left, and an Arabic one's full stop stood where it begins."""
    page = person("bob").go(f"/chats/{chat}/")
    texts = page.locator("#thread .text")
    expect(texts).to_have_count(4)
    # News may just be drawing them anew: what is on the page no more has no place at all.
    sides = [False, True, True]
    wait(lambda: [from_the_right(texts.nth(number)) for number in (1, 2, 3)] == sides, what="each from its side")
    wait(lambda: from_both(texts.nth(0)), what="paragraph by paragraph")


def test_so_is_one_line_of_it_in_lists(home: House, person: MakePerson, chat: int) -> None:
    """Was red: of a long one its end was shown, and its beginning cut off."""
    bob = person("bob")
    page = bob.go(f"/chats/{chat}/?filter={GUEST}")
    for place in (".chat-row .last bdi", "#pinned-bar .pinned-text bdi"):
        wait(partial(from_the_right, page.locator(place)), what=place)
    # What stands around it is not turned.
    sender, said = page.locator("#pinned-bar b").first.bounding_box(), page.locator("#pinned-bar bdi").bounding_box()
    assert sender
    assert said
    assert sender["x"] < said["x"]
    card = bob.go(f"/pins/?filter={GUEST}").locator(".hit-text bdi")
    expect(card).to_have_css("direction", "rtl")
    assert bob.wider() == []
