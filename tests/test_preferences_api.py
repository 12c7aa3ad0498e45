"""GET and POST /api/instance/settings/:instance, and the same on the instance's page."""

from contextlib import suppress
from typing import Any
from unittest.mock import patch

from django.http import HttpResponse
from django.test import SimpleTestCase, override_settings
from hypothesis import given
from hypothesis import strategies as st

from instances import preferences, proxies
from instances.models import Instance
from instances.whatsapp.errors import NotConnected
from portal.models import AuditLine
from tests.base import ApiTestCase
from tests.page_base import PageTestCase

PATH = "/api/instance/settings/shop"
PROXY = "socks5://shop:s3cret@127.0.0.1:1080"
SWITCHED_OFF = {"rejectCalls": False, "ignoreGroups": False, "keepOnline": False, "readMessages": False}
OFF = {**SWITCHED_OFF, "keepDays": None, "proxy": None}


class Api(ApiTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.apply = self.enterContext(patch("instances.whatsapp.service.apply_preferences"))
        self.enterContext(override_settings(PROXY_ALLOW_PRIVATE=True))

    def change(self, **changes: Any) -> HttpResponse:
        return self.post(PATH, changes, token=self.alice)

    def test_it_works(self) -> None:
        answer = {"success": True, "message": "Settings found", "instanceName": "shop", **OFF}
        self.assert_answer(self.call("GET", PATH, token=self.alice), answer)
        saved = {"success": True, "message": "Settings saved successfully", "instanceName": "shop", "applied": True}
        self.assert_answer(self.change(rejectCalls=True), {**saved, **OFF, "rejectCalls": True})
        self.assert_answer(self.change(keepOnline=True), {**saved, **OFF, "rejectCalls": True, "keepOnline": True})
        assert self.apply.call_count == 2
        assert set(AuditLine.objects.values_list("detail", flat=True)) == {"reject_calls", "keep_online"}

    def test_each_switch_is_its_own(self) -> None:
        for name in preferences.SWITCHES:
            with self.subTest(name):
                shown = self.change(**{name: True}).json()  # type: ignore[attr-defined]
                assert [one for one in preferences.SWITCHES if shown[one]] == [name]
                self.change(**{name: False})

    def test_nothing_sent_changes_nothing(self) -> None:
        assert self.change().status_code == 200
        self.apply.assert_not_called()

    def test_null_counts_as_left_out(self) -> None:
        """Was red: a switch that was null was refused; of `keepDays` and `proxy` null is a value."""
        self.enterContext(patch("instances.whatsapp.service.announce"))
        self.change(rejectCalls=True)
        nothing = dict.fromkeys(preferences.SWITCHES)
        answer = self.change(**nothing)
        assert answer.status_code == 200
        assert answer.json()["rejectCalls"] is True  # type: ignore[attr-defined]
        body = {"name": "sales", "settings": {**nothing, "keepDays": None, "proxy": None}}
        assert self.post("/api/instance/new", body, token=self.alice).status_code == 200

    def test_the_proxys_password_is_never_shown(self) -> None:
        answer = self.change(proxy=PROXY)
        assert answer.json()["proxy"] == {"url": "socks5://shop@127.0.0.1:1080", "hasPassword": True}  # type: ignore[attr-defined]
        texts = [
            answer,
            self.call("GET", PATH, token=self.alice),
            self.call("GET", "/api/instance/list", token=self.alice),
        ]
        assert all("s3cret" not in text.content.decode() for text in texts)
        assert "s3cret" not in str(AuditLine.objects.values())
        self.shop.refresh_from_db()
        assert proxies.address_of(self.shop) == PROXY

    def test_the_same_proxy_keeps_its_password_and_another_does_not(self) -> None:
        self.change(proxy=PROXY)
        self.change(proxy="socks5://shop@127.0.0.1:1080")
        self.shop.refresh_from_db()
        assert self.shop.proxy_password == "s3cret"
        self.change(proxy="socks5://shop@127.0.0.1:1081")
        self.shop.refresh_from_db()
        assert self.shop.proxy_password == ""

    def test_no_proxy(self) -> None:
        for nothing in ("", None, " "):
            self.change(proxy=PROXY)
            assert self.change(proxy=nothing).json()["proxy"] is None  # type: ignore[attr-defined]
            self.shop.refresh_from_db()
            assert (self.shop.proxy_url, self.shop.proxy_password) == ("", "")

    def test_what_does_not_fit(self) -> None:
        words = "Invalid request body: rejectCalls must be true or false, not a string"
        self.assert_error(self.change(rejectCalls="yes"), 400, words)
        assert self.change(proxy=7).status_code == 400
        assert self.change(proxy="ftp://x:1").status_code == 400
        assert self.change(rejectCalls=True, proxy="nonsense").status_code == 400
        self.apply.assert_not_called()
        assert not Instance.objects.filter(reject_calls=True).exists()

    def test_a_host_that_is_no_name(self) -> None:
        """Was red: Python asks nobody for such a name, and what it raised instead was a fault of ours (500)."""
        for host in ("a..b", ".x", "a" * 64, f"{'a' * 64}.test"):
            words = f"Invalid request body: proxy: The proxy's host {host} cannot be found."
            self.assert_error(self.change(proxy=f"http://{host}:8080"), 400, words)

    def test_no_connector_is_up(self) -> None:
        self.apply.side_effect = NotConnected
        assert self.change(ignoreGroups=True).json()["applied"] is False  # type: ignore[attr-defined]
        self.shop.refresh_from_db()
        assert self.shop.ignore_groups

    def test_with_a_new_instance(self) -> None:
        self.enterContext(patch("instances.whatsapp.service.announce"))
        body = {"name": "sales", "settings": {"rejectCalls": True, "proxy": PROXY}}
        assert self.post("/api/instance/new", body, token=self.alice).status_code == 200
        made = Instance.objects.get(name="sales")
        assert (made.reject_calls, made.proxy_password) == (True, "s3cret")
        for wrong in ("x", {"rejectCalls": 1}, {"proxy": "x"}):
            response = self.post("/api/instance/new", {"name": "other", "settings": wrong}, token=self.alice)
            assert response.status_code == 400
        assert not Instance.objects.filter(name="other").exists()

    def test_strangers(self) -> None:
        for method in ("GET", "POST"):
            body = {"rejectCalls": True} if method == "POST" else b""
            for token, status in (("", 401), (self.charlie_stall, 403), (self.bob_desk, 403), (self.alice, 200)):
                assert self.call(method, PATH, body, token=token).status_code == status
            desk = PATH.replace("shop", "desk")
            self.assert_error(self.call(method, desk, body, token=self.charlie), 404, "Instance not found")


class Page(PageTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.enterContext(patch("instances.whatsapp.service.apply_preferences"))
        self.enterContext(override_settings(PROXY_ALLOW_PRIVATE=True))
        self.path = f"/instances/{self.shop.uid}/settings/"

    def save(self, **data: str) -> Instance:
        self.send("alice", self.path, **data)
        return Instance.objects.get(pk=self.shop.pk)

    def test_it_works(self) -> None:
        saved = self.save(reject_calls="on", proxy="http://shop@127.0.0.1:8080", proxy_password="s3cret")
        assert (saved.reject_calls, saved.ignore_groups) == (True, False)
        assert (saved.proxy_url, saved.proxy_password) == ("http://shop@127.0.0.1:8080", "s3cret")
        page = self.open("alice", f"/instances/{self.shop.uid}/").content.decode()
        assert 'name="reject_calls" checked' in page
        assert 'name="ignore_groups">' in page
        assert "http://shop@127.0.0.1:8080" in page
        assert "s3cret" not in page

    def test_the_password_stays_when_its_field_is_left_empty(self) -> None:
        self.save(proxy="http://shop@127.0.0.1:8080", proxy_password="s3cret")
        saved = self.save(proxy="http://shop@127.0.0.1:8080", keep_online="on")
        assert (saved.keep_online, saved.proxy_password) == (True, "s3cret")
        assert self.save().proxy_password == ""

    def test_what_is_no_proxy(self) -> None:
        saved = self.save(reject_calls="on", proxy="nonsense")
        assert not saved.reject_calls
        assert "Nothing was saved" in self.open("alice", f"/instances/{self.shop.uid}/").content.decode()

    def test_a_host_that_is_no_name(self) -> None:
        assert not self.save(reject_calls="on", proxy="http://a..b:8080").reject_calls
        page = self.open("alice", f"/instances/{self.shop.uid}/").content.decode()
        assert "host a..b cannot be found" in page

    def test_operators_do_not_see_it(self) -> None:
        assert "proxy_password" not in self.open("bob", f"/instances/{self.shop.uid}/").content.decode()


class Proxies(SimpleTestCase):
    def test_what_is_one(self) -> None:
        for text, url, password in (
            ("http://proxy.example.com:8080", "http://proxy.example.com:8080", ""),
            ("https://u:p%40ss@proxy.example.com:443/", "https://u@proxy.example.com:443", "p@ss"),
            ("socks5://u@[2001:db8::1]:1080", "socks5://u@[2001:db8::1]:1080", ""),
        ):
            assert proxies.parse(text) == proxies.Proxy(url, password)

    def test_what_is_none(self) -> None:
        for text in (
            "", "proxy:1", "ftp://proxy:1", "socks4://proxy:1", "http://proxy", "http://proxy:0", "http://proxy:99999",
            "http://:1", "http://proxy:1/path", "http://proxy:1?a", "http://proxy:1#a", "http://a b:1", "http://é:1",
            "http://:secret@proxy:1", "http://pro/xy:1", "http://proxy:x", "http://[::1:1", "http://proxy:1\n",
        ):  # fmt: skip
            with self.subTest(text), self.assertRaises(proxies.InvalidProxy):
                proxies.parse(text)

    @given(st.text() | st.from_regex(r"(http|https|socks5)://([!-~]*@)?[!-~]+:[0-9]{1,6}/?", fullmatch=True))
    def test_whatever_is_sent(self, text: str) -> None:
        with suppress(proxies.InvalidProxy):
            found = proxies.parse(text)
            assert proxies.parse(found.url) == proxies.Proxy(found.url, "")

    @given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20))
    @override_settings(PROXY_ALLOW_PRIVATE=True)
    def test_any_password_arrives(self, password: str) -> None:
        instance = Instance(proxy_url="http://u@127.0.0.1:1", proxy_password=password)
        assert proxies.parse(proxies.address_of(instance)) == proxies.Proxy("http://u@127.0.0.1:1", password)
        assert password in ("", "*") or password not in proxies.without_password(
            Instance(proxy_password=password), password
        )

    @override_settings(PROXY_ALLOW_PRIVATE=False)
    def test_private_networks(self) -> None:
        for host in (
            "127.0.0.1", "localhost", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1",
            "0.0.0.0",
            "[::1]", "[::ffff:127.0.0.1]", "[fe80::1]", "[fd00::1]", "[64:ff9b::a00:1]", "[2002:a00:1::]", "2130706433",
            "224.0.0.1", "[::10.0.0.1]",
        ):  # fmt: skip
            with self.subTest(host), self.assertRaisesRegex(proxies.InvalidProxy, "private network"):
                proxies.check(f"http://{host}:8080")
        for host in ("93.184.216.34", "[2606:2800:220:1::1]", "[64:ff9b::5db8:d822]"):
            proxies.check(f"http://{host}:8080")

    @override_settings(PROXY_ALLOW_PRIVATE=False)
    def test_a_name_that_means_another_address_later(self) -> None:
        instance = Instance(proxy_url="http://proxy.test:8080")
        public, private = [(2, 1, 6, "", ("93.184.216.34", 8080))], [(2, 1, 6, "", ("10.0.0.1", 8080))]
        with patch("socket.getaddrinfo", return_value=public):
            assert proxies.address_of(instance) == "http://93.184.216.34:8080"
        for found in (private, public + private):
            with patch("socket.getaddrinfo", return_value=found), self.assertRaises(proxies.InvalidProxy):
                proxies.address_of(instance)

    def test_a_name_nobody_knows(self) -> None:
        with patch("socket.getaddrinfo", side_effect=OSError), self.assertRaisesRegex(proxies.InvalidProxy, "found"):
            proxies.check("http://proxy.test:1")
