"""A token's successor: both are good for a while, by the API, the administration and the terminal."""

from datetime import timedelta
from io import StringIO
from typing import Any
from unittest.mock import patch

from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from instances import tokens
from instances.models import Token
from portal.models import AuditLine
from tests.base import ApiTestCase
from tests.page_base import PageTestCase

ROTATE = "/api/token/rotate"


def later(seconds: float = 0, **by: float) -> Any:
    return timezone.now() + timedelta(seconds=seconds, **by)


class Rules(ApiTestCase):
    def test_it_works(self) -> None:
        old = tokens.issue(self.alice_account, instance=self.shop, label="CRM", scope=Token.Scope.PIN)[0]
        new, secret = tokens.rotate(old, timedelta(hours=2))
        found = tokens.find(secret)
        assert found == new
        assert (new.account, new.instance, new.label, new.scope) == (old.account, self.shop, "CRM", "pin")
        assert new.expires_at is None
        old.refresh_from_db()
        assert later(hours=1.9) < (old.expires_at or later()) <= later(hours=2)

    def test_both_are_good_until_then(self) -> None:
        tokens.rotate(self.alice_token, timedelta(hours=2))
        assert tokens.find(self.alice) is not None
        Token.objects.filter(pk=self.alice_token.pk).update(expires_at=later(-1))
        assert tokens.find(self.alice) is None

    def test_it_does_not_make_a_token_last_longer(self) -> None:
        end = later(hours=1)
        old = tokens.issue(self.alice_account, expires_at=end)[0]
        new, _ = tokens.rotate(old, timedelta(hours=5))
        old.refresh_from_db()
        assert (old.expires_at, new.expires_at) == (end, end)

    def test_once(self) -> None:
        tokens.rotate(self.alice_token, timedelta(0))
        number = Token.objects.count()
        with self.assertRaises(tokens.RotatedAlready):
            tokens.rotate(Token.objects.get(pk=self.alice_token.pk), timedelta(0))
        assert Token.objects.count() == number

    def test_revoking_ends_what_came_of_it(self) -> None:
        first, one = tokens.rotate(self.alice_token, timedelta(hours=1))
        _, two = tokens.rotate(first, timedelta(hours=1))
        assert tokens.revoke(Token.objects.get(pk=self.alice_token.pk)) == 3
        assert [tokens.find(secret) for secret in (self.alice, one, two)] == [None] * 3
        assert tokens.find(self.bob) is not None

    def test_what_was_revoked_meanwhile_has_no_successor(self) -> None:
        """Was red: a thief's call that was let in just before lived on in its successor."""
        let_in = Token.objects.get(pk=self.alice_token.pk)
        tokens.revoke(self.alice_token)
        number = Token.objects.count()
        with self.assertRaises(tokens.Revoked):
            tokens.rotate(let_in, timedelta(hours=1))
        assert Token.objects.count() == number

    def test_what_was_rotated_meanwhile_is_revoked_to_its_end(self) -> None:
        """Was red: the successor was looked for in what had been loaded before there was one."""
        loaded = Token.objects.get(pk=self.alice_token.pk)
        first, one = tokens.rotate(self.alice_token, timedelta(hours=1))
        _, two = tokens.rotate(Token.objects.get(pk=first.pk), timedelta(hours=1))
        assert tokens.revoke(loaded) == 3
        assert [tokens.find(secret) for secret in (self.alice, one, two)] == [None] * 3

    def test_revoking_again_ends_what_came_of_it(self) -> None:
        loaded = Token.objects.get(pk=self.alice_token.pk)
        _, secret = tokens.rotate(self.alice_token, timedelta(hours=1))
        Token.objects.filter(pk=self.alice_token.pk).update(revoked_at=timezone.now())
        assert tokens.revoke(loaded) == 1
        assert tokens.find(secret) is None


class Api(ApiTestCase):
    def test_it_works(self) -> None:
        response = self.post(ROTATE, {"overlapHours": 3}, token=self.alice)
        answer = response.json()  # type: ignore[attr-defined]
        assert list(answer) == ["success", "message", "token", "scope", "expiresAt", "oldTokenExpiresAt"]
        assert tokens.find(answer["token"]) is not None
        assert self.call("GET", "/api/instance/list", token=answer["token"]).status_code == 200
        assert self.call("GET", "/api/instance/list", token=self.alice).status_code == 200
        assert AuditLine.objects.get().action == "token rotated"

    def test_a_day_unless_said_otherwise(self) -> None:
        self.post(ROTATE, {}, token=self.alice)
        self.alice_token.refresh_from_db()
        assert later(hours=23.9) < (self.alice_token.expires_at or later()) < later(hours=24)

    def test_what_is_no_overlap(self) -> None:
        for hours in (0, -1, 169, "1", True):
            assert self.post(ROTATE, {"overlapHours": hours}, token=self.alice).status_code == 400

    def test_once(self) -> None:
        self.post(ROTATE, {}, token=self.alice)
        response = self.post(ROTATE, {}, token=self.alice)
        self.assert_error(response, 409, "This token was rotated already: rotate its successor")

    def test_a_token_does_not_become_many(self) -> None:
        """Was red: each successor was rotated at once, and each of all that were good had its own rate limit."""
        first = self.post(ROTATE, {"overlapHours": 168}, token=self.alice).json()["token"]  # type: ignore[attr-defined]
        self.alice_token.refresh_from_db()
        until = self.alice_token.expires_at
        assert until is not None
        words = f"The token that this one replaced is good until {until:%Y-%m-%dT%H:%M:%SZ}: rotate this one after that"
        self.assert_error(self.post(ROTATE, {}, token=first), 409, words)
        Token.objects.filter(pk=self.alice_token.pk).update(expires_at=later(-1))
        assert self.post(ROTATE, {}, token=first).status_code == 200

    def test_a_revoked_predecessor_hinders_nobody(self) -> None:
        first = self.post(ROTATE, {}, token=self.alice).json()["token"]  # type: ignore[attr-defined]
        Token.objects.filter(pk=self.alice_token.pk).update(revoked_at=timezone.now())
        assert self.post(ROTATE, {}, token=first).status_code == 200

    def test_revoked_after_it_was_let_in(self) -> None:
        def late(*_: Any) -> int:
            tokens.revoke(self.alice_token)
            return 24

        with patch("portal.rest.body.Fields.number", late):
            response = self.post(ROTATE, {}, token=self.alice)
        self.assert_error(response, 401, "Invalid token")
        assert response.headers["WWW-Authenticate"] == "Bearer"

    def test_nobodys(self) -> None:
        self.assert_error(self.post(ROTATE, {}), 401, "Missing token in header")
        self.assert_error(self.post(ROTATE, {}, token="wap_x"), 401, "Invalid token")


class Administration(PageTestCase):
    def page(self, who: str, **data: Any) -> Any:
        path = f"/admin/instances/token/{self.alice_token.pk}/rotate/"
        return self.send(who, path, **data) if data else self.open(who, path)

    def test_it_works(self) -> None:
        change = f"/admin/instances/token/{self.alice_token.pk}/change/"
        assert "rotate/" in self.open("alice", change).content.decode()
        assert self.page("alice").status_code == 200
        answer = self.page("alice", hours=5)
        self.alice_token.refresh_from_db()
        successor = self.alice_token.successor
        assert successor is not None
        text = answer.content.decode()
        assert f'<code id="secret">{successor.prefix}' in text
        assert 'data-copy="#secret"' in text
        assert "no-store" in answer["Cache-Control"]
        assert AuditLine.objects.filter(action="token rotated").count() == 1
        assert "rotate/" not in self.open("alice", change).content.decode()
        assert "rotated already" in self.page("alice", hours=5).content.decode()

    def test_who_administers_it_need_not_wait(self) -> None:
        first = tokens.rotate(self.alice_token, timedelta(hours=5))[0]
        answer = self.send("alice", f"/admin/instances/token/{first.pk}/rotate/", hours=5)
        assert '<code id="secret">' in answer.content.decode()

    def test_what_is_revoked_is_not_rotated(self) -> None:
        tokens.revoke(self.alice_token)
        assert "This token was revoked: make a new one." in self.page("alice", hours=5).content.decode()
        assert not Token.objects.exclude(successor=None).exists()

    def test_what_came_of_a_revoked_token_is_revoked_by_it(self) -> None:
        """Was red: the list passed over what was revoked itself."""
        secret = tokens.rotate(self.alice_token, timedelta(hours=5))[1]
        Token.objects.filter(pk=self.alice_token.pk).update(revoked_at=timezone.now())
        for revoked in (1, 0):
            self.send("alice", "/admin/instances/token/", action="revoke", _selected_action=self.alice_token.pk)
            assert tokens.find(secret) is None
            assert f"{revoked} revoked." in self.open("alice", "/admin/instances/token/").content.decode()
        assert AuditLine.objects.filter(action="token revoked").count() == 1

    def test_hours_must_be_a_number(self) -> None:
        assert self.page("alice", hours="-1").status_code == 200
        assert not Token.objects.exclude(successor=None).exists()

    def test_strangers(self) -> None:
        for who, status in (("charlie", 404), ("bob", 302), ("", 302), ("root", 200)):
            assert self.page(who).status_code == status
            if who != "root":
                assert self.page(who, hours=1).status_code == status
        assert not Token.objects.exclude(successor=None).exists()

    def test_a_scope_is_chosen_when_it_is_issued(self) -> None:
        form = {"account": self.alice_account.pk, "instance": "", "scope": "read", "label": "Reports"}
        answer = self.send("alice", "/admin/instances/token/add/", **form)
        assert "Read only" in answer.content.decode()
        assert Token.objects.get(label="Reports").scope == "read"


class Terminal(ApiTestCase):
    def run_it(self, *arguments: str) -> str:
        out = StringIO()
        call_command("rotatetoken", *arguments, stdout=out, stderr=StringIO())
        return out.getvalue().strip()

    def refused(self, *arguments: str) -> str:
        with self.assertRaises(CommandError) as raised:
            self.run_it(*arguments)
        return str(raised.exception)

    def test_it_works(self) -> None:
        first = self.run_it(self.alice_token.prefix)
        second = self.run_it("Alice", "--overlap-hours", "0")
        assert tokens.find(second) is not None
        assert tokens.find(first) is None
        assert tokens.find(self.alice) is not None

    def test_what_cannot_be_done(self) -> None:
        tokens.issue(self.alice_account, label="Alice")
        assert "There is no usable token 'x'" in self.refused("x")
        assert "Several tokens" in self.refused("Alice")
        assert "0 to" in self.refused("Bob", "--overlap-hours=-1")
        tokens.rotate(self.bob_token, timedelta(hours=1))
        assert "rotated already" in self.refused(self.bob_token.prefix)

    def test_a_token_of_a_scope(self) -> None:
        out = StringIO()
        call_command("createtoken", "--account", "Charlie", "--scope", "read", stdout=out, stderr=StringIO())
        token = tokens.find(out.getvalue().strip())
        assert token is not None
        assert token.scope == "read"
