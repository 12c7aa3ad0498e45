"""Every endpoint of the API and the WebSocket, by every kind of token, and without one."""

import json
from typing import Any
from unittest.mock import patch

from asgiref.sync import async_to_sync, sync_to_async

from instances import tokens
from instances.whatsapp.service import Link
from portal import websocket
from portal.models import KeptAnswer
from portal.rest import openapi
from portal.rest.idempotency import HEADER, REPLAYED
from portal.rest.views import FORBIDDEN
from tests.base import ApiTestCase
from tests.page_base import PageTestCase
from tests.permissions.routes import Endpoint, endpoints
from tests.permissions.table import ACCOUNT_ONLY, ENDPOINTS, FULL, PUBLIC, READ, SCOPES, SOCKETS

MISSING, INVALID, ELSEWHERE = "Missing token in header", "Invalid token", "does not match the requested instance"
GONE, ACCOUNT_NEEDED = "Instance not found", "account token is needed"
REFUSALS = (MISSING, INVALID, ELSEWHERE, GONE, ACCOUNT_NEEDED, *FORBIDDEN.values())


class Endpoints(ApiTestCase, PageTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.make_message("3EB0")
        front = "instances.whatsapp.service"
        for name in ("announce", "logout", "send_pin", "send_text", "apply_preferences"):
            self.enterContext(patch(f"{front}.{name}"))
        self.enterContext(patch(f"{front}.connect", return_value=Link("", True, "connected", "")))
        # It would be missing for the calls after it.
        self.enterContext(patch("instances.lifecycle.delete"))
        self.enterContext(patch("instances.api.TAKE_UP_SECONDS", 0))
        self.enterContext(self.settings(API_RATE="100000/m", API_NEW_INSTANCE_RATE="100000/m", EXPORT_RATE="100000/m"))
        self.account = {scope: tokens.issue(self.alice_account, scope=scope)[1] for scope in SCOPES}
        self.single = {scope: tokens.issue(self.alice_account, instance=self.shop, scope=scope)[1] for scope in SCOPES}

    def refusal(self, endpoint: Endpoint, token: str, instance: str = "shop") -> str:
        """The sentence by which the door stays closed; empty when it opens, whatever happens behind it."""
        path = endpoint.path.removesuffix("/shop") + (f"/{instance}" if endpoint.of_instance else "")
        # An empty object is refused by most, but not for want of the right.
        answer = self.call(endpoint.method, path, {} if endpoint.method == "POST" else b"", token=token)
        if answer.status_code not in (401, 403, 404):
            return ""
        sentence = json.loads(answer.content)["error"]["message"]
        return next((known for known in REFUSALS if known in sentence), "")

    def test_every_endpoint_is_in_the_table(self) -> None:
        assert set(endpoints()) == set(ENDPOINTS)

    def test_each_scope(self) -> None:
        wrong = {}
        for name, endpoint in endpoints().items():
            for scope in SCOPES:
                shut = "" if scope in ENDPOINTS[name] else FORBIDDEN[scope]
                alone = shut or (ACCOUNT_NEEDED if name in ACCOUNT_ONLY else "")
                heard = [self.refusal(endpoint, held[scope]) for held in (self.account, self.single)]
                if heard != [shut, alone]:
                    wrong[name, scope] = heard
        assert not wrong

    def test_nobody(self) -> None:
        """No token, a wrong one, and a page's session, which is no token."""
        self.become("root")
        for name, endpoint in endpoints().items():
            public = name in PUBLIC
            assert self.refusal(endpoint, "") == ("" if public else MISSING), name
            assert self.refusal(endpoint, "wap_wrong") == ("" if public else INVALID), name

    def test_strangers(self) -> None:
        """A stranger, and a colleague's token for another instance, hear the same of what is there and what is not."""
        for name, endpoint in endpoints().items():
            for instance in ("desk", "nothing") if endpoint.of_instance else ():
                assert self.refusal(endpoint, self.charlie, instance) == GONE, name
                assert self.refusal(endpoint, self.charlie_stall, instance) == ELSEWHERE, name
                assert self.refusal(endpoint, self.single[FULL], instance) == ELSEWHERE, name

    def test_the_scope_comes_before_the_instance(self) -> None:
        """Whoever may only read learns nothing more by asking for what they may not do."""
        for name in ("shop", "nothing"):
            response = self.post(f"/api/message/sendText/{name}", {}, token=self.account[READ])
            self.assert_error(response, 403, FORBIDDEN[READ])

    def test_the_description_says_the_same(self) -> None:
        document = openapi.document()
        for name, endpoint in endpoints().items():
            if "openapi" in name:
                continue
            where = endpoint.path.replace("/shop", "/{instance}")
            security = document["paths"][where][endpoint.method.lower()]["security"]
            assert {scope for way in security for roles in way.values() for scope in roles} == set(ENDPOINTS[name])

    def test_every_post_that_does_something_takes_an_idempotency_key(self) -> None:
        """And what is shown once is not kept for the second answer."""
        for name, endpoint in endpoints().items():
            if endpoint.method != "POST" or not endpoint.view.keeps:
                continue
            first, again = (
                self.call("POST", endpoint.path, {}, token=self.account[FULL], idempotency_key=name.replace(" ", "-"))
                for _ in range(2)
            )
            # After a failure in which nothing was done the key is free.
            kept = "true" if first.status_code < 500 else None
            assert (first.headers.get(REPLAYED), again.headers.get(REPLAYED)) == (None, kept), name
            assert first.status_code == again.status_code, name
            assert b"wap_" not in again.content, name
        assert not KeptAnswer.objects.filter(body__contains="wap_").exists()

    def test_what_only_reads_keeps_no_answer(self) -> None:
        """A token that may only read could fill the disk with the same page, kept under a new key each time."""
        kept = {name for name, endpoint in endpoints().items() if endpoint.method == "POST" and endpoint.view.keeps}
        reads = {name for name in ENDPOINTS if name.startswith("POST") and READ in ENDPOINTS[name]}
        # A token may be rotated by whoever has it.
        assert kept & reads == {"POST token/rotate"}
        assert "POST chat/previewRule" not in kept
        for name in ("POST chat/history", "POST chat/previewRule"):
            self.post(endpoints()[name].path, {}, token=self.account[FULL], idempotency_key="k")
        assert not KeptAnswer.objects.exists()

    def test_the_description_says_which_take_a_key(self) -> None:
        document = openapi.document()
        for endpoint in endpoints().values():
            if endpoint.method == "POST":
                where = endpoint.path.replace("/shop", "/{instance}")
                parameters = document["paths"][where]["post"].get("parameters", [])
                named = any(parameter["name"] == HEADER for parameter in parameters)
                assert named == endpoint.view.keeps, where

    def test_tokens_are_full_unless_said_otherwise(self) -> None:
        assert tokens.issue(self.alice_account)[0].scope == FULL

    # --- WebSocket -------------------------------------------------------------

    def handshake(self, path: str, token: str = "", **headers: str) -> int:
        """The status a handshake is refused with; 101 when it is accepted."""
        told = self.told(path, token, **headers)
        closed = next((event["code"] - 4000 for event in told if event["type"] == "websocket.close"), 101)
        return int(told[0].get("status", closed))

    def told(self, path: str, token: str = "", **headers: str) -> list[Any]:
        """What a client hears that says `{}`, if it is let in, and goes."""
        told: list[Any] = []
        named = {"host": "localhost", "token": token, **headers}
        scope = {
            "type": "websocket",
            "path": path,
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in named.items() if value],
            "client": ("127.0.0.1", 1),
            "extensions": {"websocket.http.response": {}},
        }
        events = iter([{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "{}"}])

        async def receive() -> Any:
            return next(events, {"type": "websocket.disconnect"})

        async def send(event: Any) -> None:
            told.append(event)

        async def here(work: Any, *args: Any) -> Any:
            return await sync_to_async(work)(*args)

        async def heard(*_: Any) -> None:
            return None

        with (
            patch.object(websocket, "aside", here),
            patch.object(websocket, "_listening", heard),
            patch.object(websocket.Connection, "_tell", heard),
        ):
            async_to_sync(websocket.websocket)(scope, receive, send)
        return told

    def test_a_sockets_answer_is_named_and_counted(self) -> None:
        """Whether it lets in or not; what is refused before anybody is known is not counted."""
        for token in (self.alice, "wap_wrong", ""):
            answer = dict(self.told("/ws/shop", token, **{"x-request-id": "order-78"})[0]["headers"])
            assert answer[b"x-request-id"] == b"order-78"
            assert answer[b"x-ratelimit-limit"] == b"100000"
        answer = dict(self.told("/other/shop")[0]["headers"])
        assert len(answer[b"x-request-id"]) == 32
        assert b"x-ratelimit-limit" not in answer

    def test_sockets(self) -> None:
        assert set(SOCKETS) == {websocket.PREFIX}
        for prefix, opens in SOCKETS.items():
            for scope in SCOPES:
                wanted = 101 if scope in opens else 403
                assert self.handshake(f"{prefix}shop", self.account[scope]) == wanted, scope
                assert self.handshake(f"{prefix}shop", self.single[scope]) == wanted, scope
            assert self.handshake(f"{prefix}shop") == 401
            assert self.handshake(f"{prefix}shop", "wap_wrong") == 401
            for instance in ("desk", "nothing"):
                assert self.handshake(prefix + instance, self.charlie) == 404
                assert self.handshake(prefix + instance, self.charlie_stall) == 403
        assert self.handshake("/other/shop", self.alice) == 404

    def test_a_sockets_origin(self) -> None:
        """A page elsewhere cannot connect with a visitor's browser, nor under another name of this machine."""
        for origin in ("https://evil.example", "http://localhost.evil.example", "http://localhost:1", "null"):
            assert self.handshake("/ws/shop", self.alice, origin=origin) == 403, origin
        assert self.handshake("/ws/shop", self.alice, origin="http://localhost") == 101
        assert self.handshake("/ws/shop", self.alice, host="evil.example", origin="http://evil.example") == 400
