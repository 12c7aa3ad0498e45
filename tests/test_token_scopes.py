"""Every endpoint by every scope of a token: the one table of what a scope opens."""

from collections.abc import Set
from typing import Any
from unittest.mock import patch

from instances import tokens
from instances.models import Token
from instances.whatsapp.service import Link
from portal.rest import openapi
from portal.rest.views import FORBIDDEN, ApiView, InstanceView, UnknownEndpoint
from portal.urls import urlpatterns
from tests.base import ApiTestCase

FULL, PIN, READ = Token.Scope.FULL, Token.Scope.PIN, Token.Scope.READ
ALL: set[str] = {FULL, PIN, READ}

# name of the address: (method, scopes that open it)
TABLE: dict[str, tuple[str, Set[str]]] = {
    "instance/new": ("POST", {FULL}),
    "instance/list": ("GET", {FULL, READ}),
    "instance/connect": ("GET", {FULL}),
    "GET instance/settings": ("GET", {FULL}),
    "POST instance/settings": ("POST", {FULL}),
    "instance/logout": ("POST", {FULL}),
    "instance/delete": ("DELETE", {FULL}),
    "token/rotate": ("POST", ALL),
    "webhook/add": ("POST", {FULL}),
    "webhook/list": ("GET", {FULL}),
    "webhook/change": ("POST", {FULL}),
    "webhook/delete": ("DELETE", {FULL}),
    "webhook/rotate": ("POST", {FULL}),
    "webhook/test": ("POST", {FULL}),
    "webhook/deliveries": ("GET", {FULL}),
    "webhook/resend": ("POST", {FULL}),
    "chat/pinMessage": ("POST", {FULL, PIN}),
    "chat/pinChat": ("POST", {FULL, PIN}),
    "chat/favorite": ("POST", {FULL, PIN}),
    "chat/history": ("POST", {FULL, READ}),
    "chat/search": ("GET", {FULL, READ}),
    "chat/list": ("GET", {FULL, READ}),
    "chat/pins": ("GET", {FULL, READ}),
    "chat/schedulePin": ("POST", {FULL, PIN}),
    "chat/cancelSchedule": ("POST", {FULL, PIN}),
    "chat/schedules": ("GET", {FULL, READ}),
    "chat/media": ("GET", {FULL, READ}),
    "chat/export": ("GET", {FULL}),
    "message/sendText": ("POST", {FULL}),
    r"openapi\.json": ("GET", ALL),
}


def endpoints() -> dict[str, tuple[str, str, type[ApiView]]]:
    """Address, method and view by name: the route's, with the method in front where it has several."""
    found: dict[str, tuple[str, str, type[ApiView]]] = {}
    patterns: list[Any] = list(urlpatterns)
    for pattern in patterns:
        view = getattr(getattr(pattern, "callback", None), "cls", None)
        if view is None or not issubclass(view, ApiView) or view is UnknownEndpoint:
            continue
        methods = [method for method in ("GET", "POST", "PUT", "PATCH", "DELETE") if hasattr(view, method.lower())]
        path = "/api/" + pattern.name.replace("\\", "") + ("/shop" if issubclass(view, InstanceView) else "")
        for method in methods:
            name = pattern.name if len(methods) == 1 else f"{method} {pattern.name}"
            found[name] = (path, method, view)
    return found


class Scopes(ApiTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.make_message("3EB0")
        front = "instances.whatsapp.service"
        for name in ("announce", "logout", "send_pin", "send_text", "apply_preferences"):
            self.enterContext(patch(f"{front}.{name}"))
        self.enterContext(patch(f"{front}.connect", return_value=Link("", True, "connected", "")))
        self.enterContext(patch("instances.api.TAKE_UP_SECONDS", 0))
        self.secrets = {scope: tokens.issue(self.alice_account, scope=scope)[1] for scope in ALL}

    def test_every_endpoint_is_in_the_table(self) -> None:
        assert set(endpoints()) == set(TABLE)

    def test_it_works(self) -> None:
        for name, (path, method, _) in endpoints().items():
            wanted, opens = TABLE[name]
            assert method == wanted
            for scope, secret in self.secrets.items():
                with self.subTest(f"{name} {scope}"):
                    # An empty object is refused by most, but not for want of the right.
                    response = self.call(method, path, {} if method == "POST" else b"", token=secret)
                    words = FORBIDDEN.get(scope, "")
                    assert (response.status_code == 403 and words in response.content.decode()) is (scope not in opens)

    def test_the_scope_comes_before_the_instance(self) -> None:
        """Whoever may only read learns nothing more by asking for what they may not do."""
        for name in ("shop", "nothing"):
            response = self.post(f"/api/message/sendText/{name}", {}, token=self.secrets[READ])
            self.assert_error(response, 403, FORBIDDEN[READ])

    def test_the_description_says_the_same(self) -> None:
        document = openapi.document()
        for name, (path, method, view) in endpoints().items():
            if "openapi" in name:
                continue
            where = path.replace("/shop", "/{instance}") if issubclass(view, InstanceView) else path
            security = document["paths"][where][method.lower()]["security"]
            assert {scope for way in security for roles in way.values() for scope in roles} == TABLE[name][1], name

    def test_tokens_are_full_unless_said_otherwise(self) -> None:
        assert tokens.issue(self.alice_account)[0].scope == FULL
