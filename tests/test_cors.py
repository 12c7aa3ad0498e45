"""Which pages of other origins may call the API."""

from django.http import HttpResponse
from django.test import override_settings

from portal.rest.errors import NOT_OUR_HOST
from tests.base import ApiTestCase

SHOP = "/api/chat/pinMessage/shop"
APP = "https://app.example"
EVIL = "https://evil.example"


@override_settings(CORS_ALLOWED_ORIGINS=[APP])
class Cors(ApiTestCase):
    def preflight(self, origin: str = APP) -> HttpResponse:
        return self.call(
            "OPTIONS",
            SHOP,
            origin=origin,
            access_control_request_method="POST",
            access_control_request_headers="content-type,token",
        )

    def test_a_preflight(self) -> None:
        response = self.preflight()
        assert response.status_code == 200
        assert response.headers["Access-Control-Allow-Origin"] == APP
        allowed = "content-type, authorization, token, idempotency-key, x-request-id"
        assert response.headers["Access-Control-Allow-Headers"] == allowed
        assert "POST" in response.headers["Access-Control-Allow-Methods"]
        assert "origin" in response.headers["Vary"]

    def test_never_cookies(self) -> None:
        for response in (self.preflight(), self.post(SHOP, origin=APP)):
            assert "Access-Control-Allow-Credentials" not in response.headers
            assert not response.cookies

    def test_errors_can_be_read_too(self) -> None:
        answers = {
            400: self.post("/api/chat/pinMessage/", origin=APP),
            401: self.post(SHOP, origin=APP),
            404: self.post("/api/nothing", origin=APP),
            405: self.call("GET", SHOP, origin=APP),
        }
        with self.settings(API_RATE="1/m"):
            self.post(SHOP, origin=APP)
            answers[429] = self.post(SHOP, origin=APP)
        for status, response in answers.items():
            assert response.status_code == status
            assert response.headers["Access-Control-Allow-Origin"] == APP

    @override_settings(ALLOWED_HOSTS=["portal.example"])
    def test_also_errors_that_django_makes(self) -> None:
        response = self.post(SHOP, origin=APP, host="evil.example")
        self.assert_error(response, 400, NOT_OUR_HOST)
        assert response.headers["Access-Control-Allow-Origin"] == APP

    def test_a_stranger_gets_nothing(self) -> None:
        for response in (self.preflight(EVIL), self.post(SHOP, origin=EVIL), self.post(SHOP, origin="null")):
            assert "Access-Control-Allow-Origin" not in response.headers

    @override_settings(CORS_ALLOWED_ORIGINS=[])
    def test_nobody_unless_set(self) -> None:
        assert "Access-Control-Allow-Origin" not in self.preflight().headers

    @override_settings(CORS_ALLOWED_ORIGINS=[], CORS_ALLOW_ALL_ORIGINS=True)
    def test_everybody_if_set(self) -> None:
        response = self.preflight(EVIL)
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in response.headers

    def test_pages_are_not_opened(self) -> None:
        response = self.client.get("/admin/login/", headers={"origin": APP})
        assert "Access-Control-Allow-Origin" not in response.headers
