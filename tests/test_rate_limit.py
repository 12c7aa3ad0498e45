"""100 requests a minute, one bucket for each token over all endpoints."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from portal.rest import call, rate
from portal.rest.views import ApiView
from tests.base import ApiTestCase

NOON = 1_800_000_000
SHOP = "/api/chat/pinMessage/shop"
LIMITED = "Rate limit exceeded. Try again later."


@contextmanager
def at(moment: int) -> Iterator[None]:
    with patch("time.time", return_value=float(moment)):
        yield


class RateTestCase(ApiTestCase):
    def ask(self, token: str = "", path: str = SHOP, **headers: str) -> HttpResponse:
        return self.post(path, b"{}", token=token, **headers)

    def remaining(self, response: HttpResponse) -> int:
        return int(response.headers["X-RateLimit-Remaining"])

    def reset(self, response: HttpResponse) -> int:
        return int(response.headers["X-RateLimit-Reset"])


class OneToken(RateTestCase):
    def test_it_works(self) -> None:
        with at(NOON):
            for left in range(99, -1, -1):
                response = self.ask(self.alice)
                assert response.status_code == 400
                assert response.headers["X-RateLimit-Limit"] == "100"
                assert self.remaining(response) == left
                assert NOON < self.reset(response) <= NOON + 60
            response = self.ask(self.alice)
            self.assert_error(response, 429, LIMITED)
            assert self.remaining(response) == 0
            assert int(response.headers["Retry-After"]) == self.reset(response) - NOON

    @override_settings(API_RATE="1/m")
    def test_the_reset_is_the_very_second_at_which_it_goes_on(self) -> None:
        for start in range(NOON, NOON + 60):
            self.setUp()
            with at(start):
                reset = self.reset(self.ask(self.alice))
            with at(reset - 1):
                self.assert_error(self.ask(self.alice), 429, LIMITED)
            with at(reset):
                assert self.ask(self.alice).status_code == 400

    @override_settings(API_RATE="3/m")
    def test_one_bucket_for_all_endpoints_and_methods(self) -> None:
        with at(NOON):
            assert self.remaining(self.ask(self.alice)) == 2
            assert self.remaining(self.ask(self.alice, "/api/nothing")) == 1
            assert self.remaining(self.call("GET", SHOP, token=self.alice)) == 0
            for path in (SHOP, "/api/nothing", "/api/a%0Ab", "/api/chat/pinMessage/desk"):
                self.assert_error(self.ask(self.alice, path), 429, LIMITED)
            self.assert_error(self.call("GET", SHOP, token=self.alice), 429, LIMITED)

    @override_settings(API_RATE="3/m")
    def test_one_bucket_whichever_header_carries_the_token(self) -> None:
        with at(NOON):
            self.ask(self.alice)
            self.ask(authorization=f"Bearer {self.alice}")
            assert self.remaining(self.ask(authorization=self.alice)) == 0

    @override_settings(API_RATE="1/m")
    def test_every_token_has_its_own(self) -> None:
        """Also Alice's second one, and Bob's for the same account."""
        with at(NOON):
            for token in (self.alice, self.alice_shop, self.bob, self.charlie, ""):
                assert self.remaining(self.ask(token)) == 0
                self.assert_error(self.ask(token), 429, LIMITED)

    @override_settings(API_RATE="1/m")
    def test_a_revoked_token_cannot_use_up_anyones_bucket(self) -> None:
        with at(NOON):
            self.alice_token.revoked_at = timezone.now()
            self.alice_token.save()
            for _ in range(3):
                self.ask(self.alice)
            self.alice_token.revoked_at = None
            self.alice_token.save()
            assert self.ask(self.alice).status_code == 400
            assert self.ask(self.bob).status_code == 400


class Order(RateTestCase):
    @override_settings(API_RATE="1/m")
    def test_the_limit_comes_before_the_instance_and_the_body(self) -> None:
        with at(NOON):
            self.ask(self.charlie)
            self.assert_error(self.ask(self.charlie, "/api/chat/pinMessage/desk"), 429, LIMITED)

    @override_settings(API_RATE="1/m")
    def test_the_instance_name_comes_before_the_limit(self) -> None:
        with at(NOON):
            self.ask(self.alice)
            response = self.ask(self.alice, "/api/chat/pinMessage/")
            self.assert_error(response, 400, "Instance name is required")
            assert self.remaining(response) == 0

    @override_settings(API_RATE="1/m")
    def test_the_token_comes_before_the_limit(self) -> None:
        """Whose bucket is full, and who has only an invalid token, hears of the token."""
        with at(NOON):
            self.ask(self.alice)
            self.ask(self.alice)
            self.assert_error(self.ask(self.alice + "x"), 401, "Invalid token")


class NoToken(RateTestCase):
    @override_settings(API_RATE="2/m")
    def test_they_count_by_address(self) -> None:
        with at(NOON):
            self.assert_error(self.ask(), 401, "Missing token in header")
            self.assert_error(self.ask("wap_nonsense"), 401, "Invalid token")
            self.assert_error(self.ask("wap_other_nonsense"), 429, LIMITED)
            self.assert_error(self.ask("", "/api/nothing"), 429, LIMITED)
            # A good token of the same address is not concerned.
            assert self.ask(self.alice).status_code == 400

    @override_settings(API_RATE="1/m")
    def test_expired_and_revoked_tokens_too(self) -> None:
        self.alice_token.expires_at = timezone.now()
        self.alice_token.save()
        self.bob_token.revoked_at = timezone.now()
        self.bob_token.save()
        with at(NOON):
            self.assert_error(self.ask(self.alice), 401, "Invalid token")
            self.assert_error(self.ask(self.bob), 429, LIMITED)

    @override_settings(API_RATE="1/m")
    def test_a_forged_header_opens_no_new_bucket(self) -> None:
        with at(NOON):
            self.ask(x_forwarded_for="203.0.113.1")
            self.assert_error(self.ask(x_forwarded_for="203.0.113.2"), 429, LIMITED)

    @override_settings(API_RATE="1/m", TRUSTED_PROXIES=1)
    def test_behind_a_proxy(self) -> None:
        with at(NOON):
            self.ask(x_forwarded_for="203.0.113.1")
            self.assert_error(self.ask(x_forwarded_for="198.51.100.7, 203.0.113.1"), 429, LIMITED)
            self.assert_error(self.ask(x_forwarded_for="203.0.113.2"), 401, "Missing token in header")


class Preflights(RateTestCase):
    @override_settings(API_RATE="1/m")
    def test_they_show_but_do_not_count(self) -> None:
        with at(NOON):
            for _ in range(3):
                response = self.preflight()
                assert (response.status_code, self.remaining(response)) == (200, 1)
            self.ask()
            response = self.preflight()
            assert (response.status_code, self.remaining(response)) == (200, 0)

    @override_settings(API_RATE="1/m")
    def test_only_real_ones(self) -> None:
        with at(NOON):
            self.call("OPTIONS", SHOP)
            self.assert_error(self.call("OPTIONS", SHOP), 429, LIMITED)

    def preflight(self) -> HttpResponse:
        return self.call("OPTIONS", SHOP, origin="https://app.example", access_control_request_method="POST")


class NewInstances(RateTestCase):
    """A limit of its own besides the general one: plumbing for POST /api/instance/new."""

    @override_settings(API_RATE="3/m", API_NEW_INSTANCE_RATE="1/m")
    def test_an_endpoints_own_limit(self) -> None:
        with at(NOON):
            answers = [self.ask_new() for _ in range(4)]
        # The general limit speaks first where both are used up.
        assert [(answer.status_code, limit) for answer, limit in answers] == [(200, 1), (429, 1), (429, 1), (429, 3)]
        assert all(0 < int(answer.headers["Retry-After"]) <= 60 for answer, _ in answers[1:])

    def ask_new(self) -> tuple[Response, int]:
        """The answer, and the limit that it tells of."""

        class New(ApiView):
            own_rate = "API_NEW_INSTANCE_RATE"

            def post(self, request: Request) -> Response:
                return Response({})

        request = RequestFactory().post("/api/instance/new", headers={"token": self.alice})
        begun = call.begin(request)
        response = New.as_view()(request)
        assert isinstance(response, Response)
        return response, begun.usage.limit


class Rates(ApiTestCase):
    def test_what_a_setting_may_say(self) -> None:
        assert rate.parse("100/m") == (100, 60)
        assert rate.parse(" 5/s ") == (5, 1)
        for wrong in ("", "100", "100/min", "m/100", "0/m", "-1/m", "1.5/m", "100/m, 5/s"):
            with pytest.raises(ImproperlyConfigured, match="write it like 100/m"):
                rate.parse(wrong)

    def test_a_wrong_one_stops_the_start(self) -> None:
        """Was red: one for signing in that cannot be read let it start, and nobody in."""
        for name in ("API_RATE", "API_NEW_INSTANCE_RATE", "EXPORT_RATE", "SIGN_IN_RATE"):
            with self.settings(**{name: "lots"}), pytest.raises(ImproperlyConfigured):
                self.client.handler.load_middleware()
        self.client.handler.load_middleware()

    @override_settings(API_RATE="5/s")
    def test_seconds(self) -> None:
        response = self.post(SHOP)
        assert 0 < int(response.headers["X-RateLimit-Reset"]) - int(time.time()) + 1 <= 2
