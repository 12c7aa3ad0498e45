"""Every page and every address of the administration, by everybody."""

from collections.abc import Iterable
from typing import Any
from unittest import mock

from django.contrib.auth.models import User
from django.http import QueryDict
from django.test import Client, override_settings

from chats.errands import batch
from chats.errands.batch import By, Wanted
from chats.models import Batch, Rule, Schedule
from chats.rules import manage
from chats.rules.manage import Wanted as RuleWanted
from instances.events import webhooks
from instances.events.models import Webhook
from instances.models import Account, Instance, Membership, Token
from instances.whatsapp import service
from instances.whatsapp.errors import NotConnected
from portal import audit
from portal.models import AuditLine
from tests.page_base import PageTestCase
from tests.permissions.routes import pages
from tests.permissions.table import PAGES, PEOPLE

# What an address needs to get as far as asking who may.
DATA: dict[str, dict[str, Any]] = {
    "/messages/<int:pk>/pin/": {"duration": "7d"},
    "/messages/<int:pk>/schedule/": {"lasting": "stopped"},
    "/instances/new/": {"account": "0"},
}

# As a query has them: overlong, of another script, half a character, nothing, none.
NASTY = (
    *("9" * 5_000, "9" * 19, "-1", "%C2%B2", "%D9%A3", "%00", "a%00b", "%ED%A0%80", "%", "%FF"),
    *("", "[]", "%2C".join("9" * 300), "9999-12"),
)


def status(answer: Any) -> int:
    """The answer's status, once it is read to its end: an export holds one of a few places until then."""
    if answer.streaming and not answer.is_async:
        answer.getvalue()
    return int(answer.status_code)


def counts() -> list[int]:
    """How many there are of what a page can make or delete; all that is done leaves a line in the audit."""
    kinds = (AuditLine, Token, Membership, User, Account, Instance, Rule, Schedule, Batch, Webhook)
    return [kind.objects.count() for kind in kinds]


class Pages(PageTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.people["otto"] = User.objects.create_user("otto")
        otto = Membership(user=self.people["otto"], account=self.alice_account, role=Membership.Role.OPERATOR)
        otto.save()
        otto.instances.add(self.desk)
        self.message = self.make_message("A")
        wanted = [Wanted("A", self.message)]
        self.batch = batch.make(self.shop, Batch.Action.UNPIN, None, wanted, By(token=self.alice_token))
        self.data = {**DATA, "/pins/many/add/": {"message": self.message.pk, "act": "unpin"}}
        fit = RuleWanted(name="R", trigger="message", words="hello", duration=86_400)
        self.rule = manage.add(self.shop, fit, By(token=self.alice_token))
        # It would be missing for the calls after it.
        self.enterContext(mock.patch("chats.rules.manage.delete"))
        self.hook, _ = webhooks.add(self.shop, "https://crm.example.com/", ["message.pin"])
        audit.record(self.people["alice"], "looked", self.shop, account=self.alice_account)
        # Linked, and no connector is up: nothing is deleted then, however often the table asks.
        type(self.shop).objects.filter(pk=self.shop.pk).update(jid="5511900000001@s.whatsapp.net")
        # The test's one connection is not the stream's to close.
        self.enterContext(mock.patch("portal.aside.close_old_connections"))
        self.enterContext(mock.patch("portal.health.broker"))
        self.enterContext(mock.patch("portal.health.KEPT_SECONDS", 0))
        # No NATS is here, which the stream of news notices sooner or later.
        self.enterContext(mock.patch("portal.views.live.hub", mock.Mock(away=False)))
        for name in ("connect", "pairing_code", "disconnect", "logout", "send_pin", "apply_preferences"):
            self.enterContext(mock.patch.object(service, name, side_effect=NotConnected))

    def path(self, route: str) -> str:
        """The address filled in with Alice's things."""
        administered = {
            "auth/user": self.people["bob"].pk,
            "instances/account": self.alice_account.pk,
            "instances/membership": Membership.objects.get(user=self.people["bob"]).pk,
            "instances/token": self.alice_token.pk,
            "portal/auditline": AuditLine.objects.get(action="looked").pk,
        }
        model = "/".join(route.split("/")[2:4])
        names = {
            "^(?P<app_label>instances|auth|portal)/$": "instances/",
            "(?P<url>.*)$": "nothing/",
            "<path:content_type_id>": 1,
            "<path:object_id>": administered.get(model, 1),
            "<id>": self.people["bob"].pk,
            "<uuid:uid>": self.shop.uid,
            "<uuid:hook>": self.hook.uid,
            "<uuid:batch>": self.batch.uid,
            "<uuid:rule>": self.rule.uid,
            "<int:pk>": administered.get(model, self.message.chat_id if "/chats/" in route else self.message.pk),
        }
        for name, value in names.items():
            route = route.replace(name, str(value))
        return route

    def test_every_route_is_in_the_table(self) -> None:
        assert pages() == set(PAGES)

    def test_it_works(self) -> None:
        wanted = {(route, who): row[who] for route, (_, row) in PAGES.items() for who in PEOPLE}
        assert self.ask(wanted) == wanted

    def ask(self, cells: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """The status of each route for each person, by the route's own method."""
        found: dict[tuple[str, str], int] = {}
        now, last = None, ""
        for route, who in sorted(cells, key=lambda cell: cell[1]):
            if who != now or last.endswith("out/"):
                self.become(who)
            call = self.client.get if PAGES[route][0] == "GET" else self.client.post
            found[route, who] = status(call(self.path(route), self.data.get(route, {})))
            now, last = who, route
        return found

    def test_another_method_opens_no_more(self) -> None:
        """To whom a page is shut it is so by every method, and nothing is made or gone by trying."""
        opened = []
        for who in PEOPLE:
            self.become(who)
            before = counts()
            for route, (method, wanted) in PAGES.items():
                path = self.path(route)
                for other in {"GET", "POST", "DELETE"} - {method} if wanted[who] != 200 else ():
                    if status(self.client.generic(other, path)) == 200 or counts() != before:
                        opened.append((route, who, other))
                        before = counts()
        assert not opened

    def test_a_token_for_what_is_not_ones_own(self) -> None:
        """By who administers one account, for another's: neither the account nor an instance of it can be chosen."""
        self.become("charlie")
        for account, instance in (
            (self.charlie_account, self.shop),
            (self.alice_account, self.shop),
            (self.alice_account, None),
        ):
            form = {"account": account.pk, "instance": instance.pk if instance else "", "label": "X", "scope": "full"}
            before = Token.objects.count()
            answer = self.client.post("/admin/instances/token/add/", form)
            assert answer.status_code == 200, "the form again, with what is wrong"
            assert "Select a valid choice" in answer.content.decode()
            assert Token.objects.count() == before
        form = {"account": self.charlie_account.pk, "instance": self.charlies_shop.pk, "label": "X", "scope": "full"}
        assert self.client.post("/admin/instances/token/add/", form).status_code == 200, "its secret, this once"
        assert Token.objects.count() == before + 1

    def test_no_list_names_an_account_that_is_not_ones_own(self) -> None:
        """Was red: the filters beside tokens and audit named all customers of the house to each administrator."""
        own = ("instances/token/", "instances/token/add/", f"instances/token/{self.charlie_token.pk}/change/")
        for path in (*own, "portal/auditline/", "instances/token/?q=shop", "portal/auditline/?q=looked", ""):
            self.become("charlie")
            page = self.client.get(f"/admin/{path}")
            assert page.status_code == 200, path
            assert "Alice &amp; Bob" not in page.content.decode(), path
        self.become("root")
        for path in ("instances/token/", "portal/auditline/"):
            page = self.client.get(f"/admin/{path}")
            assert f'?account__id__exact={self.alice_account.pk}">' in page.content.decode(), path

    def test_no_page_is_kept(self) -> None:
        """Was red: some had no header at all, the QR code of an instance being linked among them."""
        for who in ("root", "alice", ""):
            self.become(who)
            kept = []
            for route in (route for route, (method, _) in PAGES.items() if method == "GET"):
                answer = self.client.get(self.path(route))
                status(answer)
                if "no-store" not in answer.headers.get("Cache-Control", ""):
                    kept.append(route)
            assert kept == [], who

    def test_a_get_changes_nothing(self) -> None:
        """Where a POST acts, a GET is refused: a picture in a page could ask for it."""
        self.become("root")
        acting = {route for route, (method, _) in PAGES.items() if method == "POST"}
        assert {route for route in acting if self.client.get(self.path(route)).status_code == 405} == acting

    @override_settings(EXPORT_RATE="100000/m")
    def test_whatever_stands_in_an_address(self) -> None:
        """Was red: a `current` of 5,000 digits was an error (500), and on PostgreSQL a NUL in what is exported."""
        self.client.raise_request_exception = False
        self.become("root")
        broken = []
        # The administration's parameters are Django's.
        ours = [route for route, (method, _) in PAGES.items() if method == "GET" and not route.startswith("/admin/")]
        for path in map(self.path, ours):
            for name in self.asked_of(path):
                queries = [f"{name}={value}" for value in NASTY]
                for query in (*queries, f"{name}=1&{name}=%C2%B2", f"{name}[]=1", name):
                    if status(self.client.get(f"{path}?{query}")) >= 500:
                        broken.append((path, query[:40]))
        assert not broken

    def asked_of(self, path: str) -> list[str]:
        """The parameters that a page looks for."""
        names: set[str] = set()
        get, getlist = QueryDict.get, QueryDict.getlist

        def noted(read: Any) -> Any:
            def look(query: QueryDict, name: str, *more: Any, **named: Any) -> Any:
                names.add(name)
                return read(query, name, *more, **named)

            return look

        with mock.patch.multiple(QueryDict, get=noted(get), getlist=noted(getlist)):
            status(self.client.get(path))
        return sorted(names - {"csrfmiddlewaretoken"})

    def test_a_token_opens_no_page(self) -> None:
        headers = {"token": self.alice, "Authorization": f"Bearer {self.alice}"}
        wanted = {route: row[""] for route, (_, row) in PAGES.items()}
        calls = {route: self.client.generic(PAGES[route][0], self.path(route), headers=headers) for route in PAGES}
        assert {route: answer.status_code for route, answer in calls.items()} == wanted

    def test_nobody_can_be_made_to_act(self) -> None:
        """Every POST from another page is refused, whatever it is for (CSRF)."""
        client = Client(enforce_csrf_checks=True)
        client.force_login(self.people["root"], backend="django.contrib.auth.backends.ModelBackend")
        for headers in ({}, {"Origin": "https://evil.example"}):
            answers = {
                route: client.post(self.path(route), self.data.get(route, {}), headers=headers) for route in PAGES
            }
            done = {route: answer.status_code for route, answer in answers.items()}
            assert {route for route, status in done.items() if status not in (403, 404, 405)} == set()
