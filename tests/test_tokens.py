"""Tokens: made once, found again, noted, revoked; where they stand in a request."""

import re
from datetime import timedelta
from unittest.mock import patch

import pytest
from django.db import OperationalError
from django.test import RequestFactory, SimpleTestCase
from django.utils import timezone

from instances import tokens
from instances.models import Token
from portal.rest.authentication import secret_in
from tests.base import ApiTestCase, BaseTestCase

SHOP = "/api/chat/pinMessage/shop"


class Making(BaseTestCase):
    def test_it_works(self) -> None:
        token, secret = tokens.issue(self.alice_account, label="CRM")
        assert re.fullmatch(r"wap_[\w-]{43}", secret)
        assert token.prefix == secret[:12]
        assert tokens.find(secret) == token

    def test_only_a_keyed_hash_is_kept(self) -> None:
        row = Token.objects.filter(pk=self.alice_token.pk).values().get()
        assert self.alice[12:] not in str(row)
        with self.settings(SECRET_KEY="another"):
            assert tokens.find(self.alice) is None

    def test_no_two_are_alike(self) -> None:
        assert len({tokens.issue(self.alice_account)[1] for _ in range(100)}) == 100

    def test_none_for_anothers_instance(self) -> None:
        with pytest.raises(ValueError, match="another account"):
            tokens.issue(self.alice_account, instance=self.stall)


class Finding(BaseTestCase):
    def test_unknown(self) -> None:
        for secret in (
            "",
            "x",
            self.alice[:-1],
            self.alice + "x",
            self.alice.upper(),
            self.alice_token.digest,
            "\0",
            "é",
        ):
            assert tokens.find(secret) is None

    def test_revoked(self) -> None:
        self.alice_token.revoked_at = timezone.now()
        self.alice_token.save()
        assert tokens.find(self.alice) is None

    def test_expired(self) -> None:
        self.alice_token.expires_at = timezone.now() + timedelta(minutes=1)
        self.alice_token.save()
        assert tokens.find(self.alice) == self.alice_token
        self.alice_token.expires_at = timezone.now()
        self.alice_token.save()
        assert tokens.find(self.alice) is None


class LastUse(BaseTestCase):
    def last_use(self) -> object:
        return Token.objects.get(pk=self.alice_token.pk).last_used_at

    def test_it_is_noted(self) -> None:
        assert self.last_use() is None
        found = tokens.find(self.alice)
        assert found is not None
        assert self.last_use() == found.last_used_at is not None

    def test_once_a_minute(self) -> None:
        tokens.find(self.alice)
        with self.assertNumQueries(1):
            tokens.find(self.alice)
        before = timezone.now() - timedelta(minutes=2)
        Token.objects.update(last_used_at=before)
        tokens.find(self.alice)
        assert self.last_use() != before

    def test_not_of_a_token_that_opens_nothing(self) -> None:
        Token.objects.update(revoked_at=timezone.now())
        tokens.find(self.alice)
        assert self.last_use() is None

    def test_a_database_that_cannot_write_turns_nobody_away(self) -> None:
        with (
            patch("django.db.models.query.QuerySet.update", side_effect=OperationalError("database is locked")),
            self.assertLogs("instances.tokens", "WARNING") as logs,
        ):
            assert tokens.find(self.alice) == self.alice_token
        assert self.alice[:12] not in logs.output[0]


class Opening(BaseTestCase):
    def test_an_account_token_opens_all_instances_of_the_account(self) -> None:
        for token in (self.alice_token, self.bob_token):
            assert tokens.open_instance(token, "shop") == self.shop
            assert tokens.open_instance(token, "desk") == self.desk

    def test_an_instance_token_opens_its_instance(self) -> None:
        assert tokens.open_instance(self.alice_shop_token, "shop") == self.shop

    def test_names_are_looked_up_in_the_tokens_account(self) -> None:
        assert tokens.open_instance(self.charlie_token, "shop") == self.charlies_shop

    def test_the_wrong_instance(self) -> None:
        for name in ("desk", "stall", "nothing", "Shop", "shop ", "\0"):
            with pytest.raises(tokens.WrongInstance):
                tokens.open_instance(self.alice_shop_token, name)

    def test_an_instance_that_went_to_another_account(self) -> None:
        self.shop.account = self.charlie_account
        self.shop.name = "second"
        self.shop.save()
        with pytest.raises(tokens.WrongInstance):
            tokens.open_instance(Token.objects.get(pk=self.alice_shop_token.pk), "second")

    def test_not_found(self) -> None:
        for name in ("stall", "nothing", "SHOP", "shop ", "sh\0op"):
            with pytest.raises(tokens.InstanceNotFound):
                tokens.open_instance(self.alice_token, name)


class InTheHeader(SimpleTestCase):
    def secret(self, **headers: str) -> str | None:
        return secret_in(RequestFactory().post("/api/", headers=headers))

    def test_the_three_ways(self) -> None:
        assert self.secret(token="wap_1") == "wap_1"
        assert self.secret(authorization="Bearer wap_1") == "wap_1"
        assert self.secret(authorization="wap_1") == "wap_1"

    def test_the_schemes_case_and_spaces_do_not_matter(self) -> None:
        assert self.secret(authorization="bearer   wap_1 ") == "wap_1"
        assert self.secret(token=" wap_1 ") == "wap_1"

    def test_token_wins(self) -> None:
        assert self.secret(token="wap_1", authorization="Bearer wap_2") == "wap_1"

    def test_an_empty_header_was_not_sent(self) -> None:
        assert self.secret(token="", authorization="Bearer wap_2") == "wap_2"
        assert self.secret(token=" ", authorization="Bearer wap_2") == "wap_2"

    def test_none(self) -> None:
        assert self.secret() is None
        assert self.secret(token="", authorization="") is None
        assert self.secret(authorization="Bearer") is None
        assert self.secret(authorization="Bearer ") is None


class OverTheApi(ApiTestCase):
    def status(self, **headers: str) -> int:
        return self.post(SHOP, b"{}", **headers).status_code

    def test_the_three_ways(self) -> None:
        assert self.status(token=self.alice) == 400
        assert self.status(authorization=f"Bearer {self.alice}") == 400
        assert self.status(authorization=self.alice) == 400

    def test_token_wins(self) -> None:
        assert self.status(token=self.alice, authorization="Bearer nonsense") == 400
        response = self.post(SHOP, b"{}", token="nonsense", authorization=f"Bearer {self.alice}")
        self.assert_error(response, 401, "Invalid token")

    def test_not_in_the_address(self) -> None:
        self.assert_error(self.post(f"{SHOP}?token={self.alice}", b"{}"), 401, "Missing token in header")

    def test_not_in_a_cookie(self) -> None:
        self.client.cookies["token"] = self.alice
        self.assert_error(self.post(SHOP, b"{}"), 401, "Missing token in header")

    def test_no_token(self) -> None:
        self.assert_error(self.post(SHOP, b"{}"), 401, "Missing token in header")
        self.assert_error(self.post(SHOP, b"{}", authorization="Bearer "), 401, "Missing token in header")

    def test_revoked_and_expired(self) -> None:
        Token.objects.filter(pk=self.alice_token.pk).update(revoked_at=timezone.now())
        Token.objects.filter(pk=self.bob_token.pk).update(expires_at=timezone.now())
        for secret in (self.alice, self.bob, "wap_nonsense", "Basic eDp5", "é"):
            self.assert_error(self.post(SHOP, b"{}", authorization=secret), 401, "Invalid token")

    def test_the_use_is_noted(self) -> None:
        self.post(SHOP, b"{}", token=self.alice)
        assert Token.objects.get(pk=self.alice_token.pk).last_used_at is not None
