"""Errors come in one envelope, in JSON, whoever made them."""

import gzip
import logging
from unittest.mock import patch

from django.core.exceptions import DisallowedHost, PermissionDenied, SuspiciousOperation
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.http import Http404, HttpResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from portal.rest.errors import NOT_OUR_HOST, put_into_envelope
from tests.base import ApiTestCase

SHOP = "/api/chat/pinMessage/shop"
UNPIN = {"pin": False, "messageId": "3EB0"}
NOT_FOUND = "message with ID 3EB0 not found"


class Routes(ApiTestCase):
    def test_unknown_endpoints(self) -> None:
        for path in (
            "/api",
            "/api/",
            "/api/nothing",
            "/api/nothing/",
            "/api//",
            "/api/a%0Ab",
            SHOP + "/",
        ):
            for method in ("GET", "POST", "OPTIONS", "TRACE"):
                with self.subTest(path=path, method=method):
                    response = self.call(method, path)
                    self.assert_error(response, 404, "Endpoint not found")
                    assert "Allow" not in response.headers

    def test_they_are_json_while_debugging_too(self) -> None:
        with override_settings(DEBUG=True):
            self.test_unknown_endpoints()

    def test_a_route_ends_where_its_name_ends(self) -> None:
        self.assert_error(self.post("/api/chat/pinMessages/shop", token=self.alice), 404, "Endpoint not found")

    def test_pages_have_no_part_in_it(self) -> None:
        response = self.client.get("/apis")
        assert response.status_code == 404
        assert response.headers["Content-Type"].startswith("text/html")
        assert "X-RateLimit-Limit" not in response.headers


class Dress(ApiTestCase):
    def test_no_cache_keeps_an_answer(self) -> None:
        """The `token` header is nothing that a shared cache would tell callers apart by."""
        assert self.post(SHOP, token=self.alice).headers["Cache-Control"] == "no-store"

    def test_json_whatever_is_accepted(self) -> None:
        for accept in ("text/html", "application/xml", "nonsense", ""):
            self.assert_error(self.post(SHOP, UNPIN, token=self.alice, accept=accept), 500, NOT_FOUND)
        self.assert_error(self.post(SHOP + "?format=xml", UNPIN, token=self.alice), 500, NOT_FOUND)

    def test_it_speaks_english_whoever_asks_and_whatever_page_came_before(self) -> None:
        """REST framework's and Django's own sentences are translated; programs compare them."""
        self.client.get("/login/", headers={"Accept-Language": "pt"})
        self.assertEqual(translation.get_language(), "pt")
        response = self.call("PUT", SHOP, accept_language="es")
        self.assertNotIn("Content-Language", response.headers)
        self.assertEqual(translation.get_language(), "en")

    def test_the_pages_layers_are_passed_by(self) -> None:
        """A session's cookie is not even looked up, and no time zone but UTC is known."""
        self.client.cookies["tz"] = "America/Sao_Paulo"
        self.client.cookies["sessionid"] = "abc"
        self.client.get("/login/")
        self.assertEqual(timezone.get_current_timezone_name(), "America/Sao_Paulo")
        with CaptureQueriesContext(connection) as asked:
            self.call("GET", SHOP)
        self.assertEqual([query for query in asked if "session" in query["sql"]], [])
        self.assertEqual(timezone.get_current_timezone_name(), "UTC")

    def test_no_csrf_token_is_needed(self) -> None:
        self.client = Client(enforce_csrf_checks=True)
        self.assert_error(self.post(SHOP, UNPIN, token=self.alice), 500, NOT_FOUND)

    def test_the_names_of_unauthorised_callers_scheme(self) -> None:
        assert self.post(SHOP).headers["WWW-Authenticate"] == "Bearer"

    @override_settings(ALLOWED_HOSTS=["portal.example"])
    def test_a_host_that_is_not_ours(self) -> None:
        for debug in (False, True):
            with override_settings(DEBUG=debug), self.assertLogs("django.security", "ERROR"):
                for host in ("evil.example", "whatsapp_portal:8000", "a b"):
                    self.assert_error(self.post(SHOP, host=host), 400, NOT_OUR_HOST)

    async def test_the_asynchronous_server_dresses_alike(self) -> None:
        self.client = AsyncClient(raise_request_exception=False)  # type: ignore[assignment]
        for path, status in ((SHOP, 401), ("/api/nothing", 404), ("/api/chat/pinMessage/", 400)):
            response = await self.client.post(path)  # type: ignore[misc]
            assert response.status_code == status
            self.check_dress(response)
        response = await self.client.get("/apis")  # type: ignore[misc]
        assert "X-RateLimit-Limit" not in response.headers

    def test_nothing_of_the_replaced_page_stays(self) -> None:
        content = gzip.compress(b"<h1>Gone</h1>")
        headers = {"Content-Encoding": "gzip", "ETag": '"1"', "Content-Length": str(len(content))}
        page = HttpResponse(content, status=410, headers=headers)
        put_into_envelope(page, RequestFactory().get("/api/"))
        self.assert_error(page, 410, "Bad request")
        assert page.headers["Content-Length"] == str(len(page.content))
        assert not {"Content-Encoding", "ETag"} & set(page.headers)


class Faults(ApiTestCase):
    def failing(self, error: BaseException) -> HttpResponse:
        with patch("chats.pins.find_message", side_effect=error):
            return self.post(SHOP, UNPIN, token=self.alice)

    def test_what_nobody_expected(self) -> None:
        for debug in (False, True):
            with override_settings(DEBUG=debug), self.assertLogs("portal.rest", "ERROR") as logs:
                self.assert_error(self.failing(RuntimeError("the secret recipe")), 500, "Internal server error")
            assert "Traceback" in logs.output[0]
            assert "the secret recipe" in logs.output[0]

    def test_a_database_that_is_down(self) -> None:
        for error in (OperationalError("connection refused"), InterfaceError("closed")):
            with self.assertLogs("portal.rest", "ERROR"):
                self.assert_error(self.failing(error), 503, "The portal's database is not available. Try again later.")

    def test_other_errors_of_the_database_are_ours(self) -> None:
        with self.assertLogs("portal.rest", "ERROR"):
            self.assert_error(self.failing(DatabaseError("no such column")), 500, "Internal server error")

    def test_a_database_that_is_down_when_the_token_is_looked_up(self) -> None:
        with (
            patch("instances.tokens.find", side_effect=OperationalError("connection refused")),
            self.assertLogs("portal.rest", "ERROR"),
        ):
            response = self.post(SHOP, UNPIN, token=self.alice)
        self.assert_error(response, 503, "The portal's database is not available. Try again later.")

    def test_djangos_own_exceptions(self) -> None:
        self.assert_error(self.failing(Http404("No Chat matches")), 404, "Not found")
        self.assert_error(self.failing(PermissionDenied("of some kind")), 403, "Forbidden")
        self.assert_error(self.failing(SuspiciousOperation("the secret recipe")), 400, "Bad request")
        self.assert_error(self.failing(DisallowedHost("evil.example")), 400, NOT_OUR_HOST)

    def test_more_parameters_than_are_read(self) -> None:
        """Was red: Django refuses them when a view first asks for one, which was a fault of ours (500)."""
        with self.assertNoLogs("portal.rest", "WARNING"):
            response = self.call("GET", f"/api/chat/list/shop?{'a=1&' * 1_025}", token=self.alice)
        self.assert_error(response, 400, "Invalid parameter: there are more than 1024 of them")

    def test_what_fails_in_a_middleware_further_in(self) -> None:
        name = "django.middleware.common.CommonMiddleware.process_request"
        for error, status, words in (
            (RuntimeError("the secret recipe"), 500, "Internal server error"),
            (SuspiciousOperation("the secret recipe"), 400, "Bad request"),
            (PermissionDenied("the secret recipe"), 403, "Forbidden"),
            (Http404("the secret recipe"), 404, "Endpoint not found"),
        ):
            for debug in (False, True):
                with self.subTest(words, debug=debug), patch(name, side_effect=error), override_settings(DEBUG=debug):
                    self.assert_error(self.post(SHOP), status, words)


class Log(ApiTestCase):
    def test_neither_tokens_nor_bodies_are_logged(self) -> None:
        with self.assertLogs(level=logging.DEBUG) as logs:
            for error in (RuntimeError("x"), OperationalError("y"), None):
                with patch("chats.pins.find_message", side_effect=error):
                    self.post(SHOP, {"pin": False, "messageId": "HUSH"}, token=self.alice)
                    self.post(SHOP, b'{"messageId": "HUSH"', token=self.alice)
                    self.post(SHOP, {"messageId": "HUSH"}, authorization=f"Bearer {self.alice}x")
            self.post("/api/nothing", b"HUSH", token=self.alice)
        text = "\n".join(logs.output)
        assert self.alice[12:] not in text
        assert "HUSH" not in text

    def test_the_contracts_own_500_is_no_fault_in_the_log(self) -> None:
        with self.assertNoLogs("django", "WARNING"):
            self.assert_error(self.post(SHOP, UNPIN, token=self.alice), 500, NOT_FOUND)
