"""Every address of the pages, by every role, by a stranger, and by nobody: the one table of who may what."""

from typing import Any
from unittest import mock

from django.urls import URLPattern, URLResolver, get_resolver

from instances.events import webhooks
from instances.whatsapp import service
from instances.whatsapp.errors import NotConnected
from tests.page_base import PageTestCase

PEOPLE = ("root", "alice", "bob", "vera", "charlie", "nobody", "")
SIGN_IN, GONE = 302, 404
ALL = dict.fromkeys(("root", "alice", "bob", "vera", "charlie", "nobody"), 200) | {"": SIGN_IN}
# Of the shop: who may see it, who may pin there, who may manage it.
SEE = ALL | {"charlie": GONE, "nobody": GONE}
PIN = SEE | {"vera": 403}
MANAGE = SEE | {"bob": GONE, "vera": GONE}
# Everybody is sent somewhere.
MOVED = dict.fromkeys(PEOPLE, 302)
ADMIN = dict.fromkeys(PEOPLE, 302) | {"root": 200, "alice": 200, "charlie": 200}
# Signed in without anything to run: Django's admin sends to its sign-in, which is not there for them.
OPEN = dict.fromkeys(PEOPLE, 200)

# name of the address: (method, who gets what)
TABLE = {
    "home": ("GET", MOVED),
    "sign-in": ("GET", dict.fromkeys(PEOPLE, 302) | {"": 200}),
    "sign-out": ("POST", MOVED),
    "preferences": ("GET", ALL),
    "reference": ("GET", ALL),
    "password": ("GET", ALL),
    "language": ("POST", MOVED),
    "live": ("GET", dict.fromkeys(PEOPLE, 200) | {"": 401}),
    "instances": ("GET", ALL),
    "instance-new": ("POST", dict.fromkeys(PEOPLE, GONE) | {"": SIGN_IN}),
    "instance": ("GET", SEE),
    "instance-panel": ("GET", SEE),
    "instance-qr": ("GET", MANAGE),
    "instance-connect": ("POST", MANAGE),
    "instance-pairing-code": ("POST", MANAGE),
    "webhooks": ("GET", MANAGE),
    "webhook-add": ("POST", {name: 302 if code == 200 else code for name, code in MANAGE.items()}),
    "webhook": ("GET", MANAGE),
    "webhook-act": ("POST", {name: 302 if code == 200 else code for name, code in MANAGE.items()}),
    "instance-disconnect": ("POST", {name: 302 if code == 200 else code for name, code in MANAGE.items()}),
    "instance-settings": ("POST", {name: 302 if code == 200 else code for name, code in MANAGE.items()}),
    "instance-log-out": ("POST", {name: 302 if code == 200 else code for name, code in MANAGE.items()}),
    "instance-delete": ("POST", {name: 302 if code == 200 else code for name, code in MANAGE.items()}),
    "chats": ("GET", ALL),
    "chat-list": ("GET", ALL),
    "chat": ("GET", SEE),
    "chat-rows": ("GET", SEE),
    "chat-pinned": ("GET", SEE),
    "chat-details": ("GET", SEE),
    "pin-control": ("GET", SEE),
    "pin": ("POST", PIN),
    "unpin": ("POST", PIN),
    "media-show": ("GET", SEE),
    # A text has no file; who may not see it hears no other answer.
    "media": ("GET", dict.fromkeys(PEOPLE, GONE) | {"": SIGN_IN}),
    "search": ("GET", ALL),
    # Who may export nothing at all; the others are asked what for.
    "search-export": ("GET", dict.fromkeys(PEOPLE, 400) | {"vera": 403, "nobody": 403, "": SIGN_IN}),
    "pins": ("GET", ALL),
    "pin-history": ("GET", ALL),
    "pins-planned": ("GET", ALL),
    "pins-csv": ("GET", ALL),
    "pin-page": ("GET", SEE),
    "schedule": ("POST", {name: 302 if code == 200 else code for name, code in PIN.items()}),
    "schedule-cancel": ("POST", {name: 302 if code == 200 else code for name, code in PIN.items()}),
}


def addresses() -> dict[str, URLPattern]:
    """Every named address of the pages."""
    found: dict[str, URLPattern] = {}

    def walk(patterns: list[URLPattern | URLResolver]) -> None:
        for one in patterns:
            if isinstance(one, URLResolver):
                if one.namespace is None:
                    walk(one.url_patterns)
            elif one.name and not str(one.pattern).startswith("^api/"):
                found[one.name] = one

    walk(get_resolver().url_patterns)
    return found


# What an address needs to get as far as asking who may.
DATA: dict[str, dict[str, Any]] = {
    "pin": {"duration": "7d"},
    "schedule": {"lasting": "stopped"},
    "instance-new": {"account": "0"},
}


class PageAccessTest(PageTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.message = self.make_message("A")
        self.hook, _ = webhooks.add(self.shop, "https://crm.example.com/", ["message.pin"])
        # Linked, and no connector is up: nothing is deleted then, however often the table asks.
        type(self.shop).objects.filter(pk=self.shop.pk).update(jid="5511900000001@s.whatsapp.net")
        # The test's one connection is not the stream's to close.
        keep = mock.patch("portal.views.live.close_old_connections")
        keep.start()
        self.addCleanup(keep.stop)
        down = mock.Mock(side_effect=NotConnected)
        for name in ("connect", "pairing_code", "disconnect", "logout", "send_pin", "apply_preferences"):
            patch = mock.patch.object(service, name, down)
            patch.start()
            self.addCleanup(patch.stop)

    def path(self, pattern: str) -> str:
        """The address filled in with Alice's things."""
        key = self.message.chat_id if pattern.startswith("chats/") else self.message.pk
        names = {"<int:pk>": key, "<uuid:uid>": self.shop.uid, "<uuid:hook>": self.hook.uid}
        for name, value in names.items():
            pattern = pattern.replace(name, str(value))
        return f"/{pattern}"

    def test_it_works(self) -> None:
        for name, url in addresses().items():
            method, wanted = TABLE[name]
            path = self.path(str(url.pattern))
            for who in PEOPLE:
                with self.subTest(name=name, who=who or "not signed in"):
                    call = self.open if method == "GET" else self.send
                    answer = call(who, path, **DATA.get(name, {}))
                    assert answer.status_code == wanted[who], (answer.status_code, wanted[who])

    def test_every_address_is_in_the_table(self) -> None:
        assert set(addresses()) - set(TABLE) == set()

    def test_nobody_is_sent_to_the_sign_in(self) -> None:
        answer = self.open("", "/search/?q=x")
        assert answer["Location"] == "/sign-in/?next=/search/%3Fq%3Dx"

    def test_a_fragment_takes_the_whole_page_to_the_sign_in(self) -> None:
        answer = self.open("", "/chats/list/", fragment=True)
        assert (answer.status_code, answer["HX-Redirect"]) == (401, "/sign-in/")

    def test_a_get_changes_nothing(self) -> None:
        for name in ("pin", "unpin", "instance-delete", "instance-log-out", "instance-connect", "sign-out"):
            path = self.path(str(addresses()[name].pattern))
            assert self.open("root", path).status_code == 405, name

    def test_the_administration(self) -> None:
        rows = {
            "": ADMIN,
            "auth/user/": ADMIN | {"alice": 403, "charlie": 403},
            "instances/account/": ADMIN | {"alice": 403, "charlie": 403},
            "instances/membership/": ADMIN | {"alice": 403, "charlie": 403},
            "instances/token/": ADMIN,
            f"instances/token/{self.alice_token.pk}/change/": ADMIN | {"charlie": 302},
            "portal/auditline/": ADMIN,
        }
        for path, wanted in rows.items():
            for who in PEOPLE:
                with self.subTest(path=path, who=who):
                    assert self.open(who, f"/admin/{path}").status_code == wanted[who]

    def test_lists_hold_nothing_of_others(self) -> None:
        secret = self.make_message("B", instance=self.charlies_shop)
        type(secret).objects.filter(pk=secret.pk).update(text="only for Charlie")
        secret.chat.last_message_at = secret.sent_at
        secret.chat.save()
        for path in ("/search/?q=Charlie", "/chats/list/", "/pins/", "/pins/history/", "/instances/"):
            assert "only for Charlie" not in self.open("alice", path).content.decode(), path
        assert "only for Charlie" in self.open("charlie", "/chats/list/").content.decode()
        assert "stall" not in self.open("alice", "/instances/").content.decode()

    def test_an_operator_sees_only_what_was_given(self) -> None:
        page = self.open("bob", "/instances/").content.decode()
        assert str(self.shop.uid) in page
        assert str(self.desk.uid) not in page
        assert self.open("bob", f"/instances/{self.desk.uid}/").status_code == 404

    def test_who_is_deactivated_sees_nothing(self) -> None:
        bob = self.people["bob"]
        bob.is_active = False
        bob.save()
        assert self.open("bob", "/chats/").status_code == 302
