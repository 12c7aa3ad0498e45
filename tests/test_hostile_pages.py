"""What a page elsewhere, or a link in a mail, may try with a member's browser; and what the time of an answer tells."""

import re
import sys
from types import FrameType
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instances import tokens
from tests.base import BaseTestCase
from tests.page_base import PageTestCase
from tests.permissions.table import PAGES

PASSWORD = "correct horse battery"
EVIL = "evil.example"
TRICKS = [
    f"https://{EVIL}/",
    f"//{EVIL}/",
    f"///{EVIL}/",
    f"/\\{EVIL}/",
    f"\\\\{EVIL}/",
    f"\\/{EVIL}",
    f"/\t/{EVIL}/",
    f"\t//{EVIL}/",
    f"/\n/{EVIL}",
    f"https:{EVIL}",
    f"https:/{EVIL}",
    f"http:///{EVIL}",
    f"https:\\\\{EVIL}",
    "javascript:alert(1)",
    "data:text/html,x",
    f"//testserver@{EVIL}/",
    f"https://testserver@{EVIL}/",
    f"https://testserver.{EVIL}/",
    f"https://{EVIL}\\@testserver/",
    f"//{EVIL}%2f@testserver",
    f"/\x00/{EVIL}",
    f" //{EVIL}",
    f"\x01//{EVIL}",
    f"/%2f{EVIL}",
    f"/%5c{EVIL}",
    "/\r\nSet-Cookie: x=1",
    "/%0d%0aSet-Cookie:x",
    "x" * 5000,
    "",
    "home",
    "nothing-of-this-name",
    "chats.views.pins",
    "//[",
    "http://[::1",
    "/é\u2028",
    "\ud800",
    f"/.//{EVIL}",
    f"/..//{EVIL}",
    f"//{EVIL}/..",
    f"\u3000//{EVIL}",
    "// ",
    f"/\u2215{EVIL}",
    f"https://testserver:80@{EVIL}",
    "http://testserver:81/",
    "https://testserver",
]
ANYTHING = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            ["/", "\\", ":", "@", EVIL, "testserver", "http", "\t", "\n", "%2f", ".", "?", "#", " ", "\x00"]
        )
    ).map("".join),
)


def stays(location: str) -> bool:
    """Whether a browser stays here: it drops line ends and tabs, and takes a backslash for a slash (WHATWG URL)."""
    text = re.sub(r"[\t\r\n]", "", location).strip("".join(map(chr, range(33)))).replace("\\", "/")
    found = urlsplit(urljoin("http://testserver/sign-in/", text))
    return found.scheme in ("http", "https") and found.netloc == "testserver"


class Redirects(PageTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client.raise_request_exception = False
        self.people["bob"].set_password(PASSWORD)
        self.people["bob"].save()

    def assert_stays(self, answer: Any, told: str) -> None:
        assert answer.status_code < 500, (told, answer.status_code)
        location = answer.headers.get("Location", "/")
        assert stays(location), (told, location)
        assert "\n" not in location
        assert "x" not in answer.cookies

    def try_all(self, told: str) -> None:
        """Each place that goes where it is told."""
        said = told.encode(errors="replace").decode()
        self.client.logout()
        self.assert_stays(self.client.get(f"/sign-in/?next={quote(said)}"), told)
        self.assert_stays(self.client.get(f"/admin/login/?next={quote(said)}"), told)
        self.assert_stays(self.client.post("/preferences/language/", {"next": said, "language": "pt"}), told)
        self.client.force_login(self.people["bob"], backend="django.contrib.auth.backends.ModelBackend")
        # Who is signed in already is sent on.
        self.assert_stays(self.client.get(f"/sign-in/?next={quote(said)}"), told)
        self.assert_stays(self.client.post(f"/sign-out/?next={quote(said)}", {"next": said}), told)

    def test_it_works(self) -> None:
        answer = self.client.post("/preferences/language/", {"next": "/chats/?q=a&b=c#d", "language": "pt"})
        assert answer.headers["Location"] == "/chats/?q=a&b=c#d"
        assert not stays("//evil.example")
        assert not stays("/\\evil.example")

    def test_tricks(self) -> None:
        for told in TRICKS:
            with self.subTest(ascii(told)):
                self.try_all(told)

    def test_after_signing_in(self) -> None:
        for told in TRICKS:
            with self.subTest(ascii(told)):
                form = {"username": "bob", "password": PASSWORD, "next": told.encode(errors="replace").decode()}
                answer = self.client.post("/sign-in/", form)
                assert answer.status_code == 302
                self.assert_stays(answer, told)
                self.client.logout()

    def test_anything(self) -> None:
        @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(told=ANYTHING)
        def tried(told: str) -> None:
            self.try_all(told)

        tried()

    def test_any_path(self) -> None:
        """Of strangers, who are sent to the sign-in with where they wanted to go; and without its last slash."""

        @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(path=ANYTHING)
        def tried(path: str) -> None:
            for whole in (
                f"/{quote(path)}",
                f"//{EVIL}/{quote(path)}",
                f"/chats/{quote(path)}",
                f"/admin/{quote(path)}",
            ):
                self.assert_stays(self.client.generic("GET", whole), whole)

        self.client.logout()
        tried()

    def test_a_slash_too_few(self) -> None:
        for path in (f"//{EVIL}/chats", f"/\\{EVIL}/chats", "/chats", "/instances"):
            self.assert_stays(self.client.generic("GET", path), path)


class OtherPages(PageTestCase):
    """Beside what `tests.permissions` tries without any token: with one, from elsewhere or of somebody else."""

    def test_a_token_does_not_help_a_page_elsewhere(self) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(self.people["root"], backend="django.contrib.auth.backends.ModelBackend")
        client.get("/preferences/")
        mine = client.cookies["csrftoken"].value
        other = Client()
        other.get("/sign-in/")
        theirs = other.cookies["csrftoken"].value
        posts = [route for route, (method, _) in PAGES.items() if method == "POST" and "<" not in route]
        assert len(posts) >= 5
        for token, headers in (
            (mine, {"Origin": "https://evil.example"}),
            (mine, {"Origin": "null"}),
            (mine, {"Origin": "http://testserver.evil.example"}),
            (mine, {"Origin": "http://testserver:81"}),
            (theirs, {}),
            ("", {}),
            (mine[:-1], {}),
        ):
            for route in posts:
                answer = client.post(route, {"csrfmiddlewaretoken": token}, headers=headers)
                assert answer.status_code == 403, (route, token, headers)
                if token != mine:
                    answer = client.post(route, headers={"X-CSRFToken": token})
                    assert answer.status_code == 403, (route, token)

    def test_each_form_brings_its_token(self) -> None:
        """A form by itself; what htmx sends, by the header on the page's body."""
        self.make_message("3EB0")
        shop = f"/instances/{self.shop.uid}/"
        pages = ["/", "/chats/", "/instances/", shop, f"{shop}webhooks/", "/preferences/", "/preferences/password/"]
        for path in [*pages, "/pins/", "/pins/rules/", "/search/?q=Hello"]:
            answer = self.client_of("root").get(path, follow=True)
            page = answer.content.decode()
            forms = re.findall(r"<form\b[^>]*method=.?post.*?</form>", page, re.DOTALL | re.IGNORECASE)
            for form in forms:
                assert "csrfmiddlewaretoken" in form, (path, form[:200])
            assert not re.search(r"<form\b[^>]*method=.?post[^>]*action=.?(https?:)?//", page), path

    def client_of(self, who: str) -> Client:
        self.become(who)
        return self.client


class Path:
    """What a piece of work calls, in order."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __enter__(self) -> "Path":
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            self.calls.append(f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}")


class Guessing(BaseTestCase):
    def test_a_guess_that_is_nearly_right_takes_the_same_path(self) -> None:
        """Nothing is compared to a token: its keyed hash is looked up, and a hash one letter off is as far as any."""
        tokens.find(self.alice)
        guesses = (
            "wap_" + "x" * 43,
            self.alice[:12] + "x" * 35,
            self.alice[:-1] + ("A" if self.alice[-1] != "A" else "B"),
            self.alice[::-1],
            self.alice.swapcase(),
        )
        seen = []
        # The first one fills caches.
        for guess in (guesses[0], *guesses):
            with CaptureQueriesContext(connection) as queries, Path() as path:
                assert tokens.find(guess) is None
            asked = [query["sql"].replace(tokens.digest(guess), "?") for query in queries]
            seen.append((asked, path.calls))
        assert len(seen[0][0]) == 1
        assert len(seen[0][1]) > 5
        for one in seen[2:]:
            assert one == seen[1]

    def test_a_short_one_as_well(self) -> None:
        for guess in ("", "x", "wap_", "\x00", "é" * 1000):
            assert tokens.find(guess) is None
