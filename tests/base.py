"""Alice, Bob and Charlie, and how to call the API as one of them.

Alice owns an account with two instances, "shop" and "desk". Bob is her
colleague: he has a token of his own for the same account. Charlie is the
stranger: an account of his own, with an instance that is called "shop" as well
and one called "stall". Each has a token for the account and one for a single instance.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any

from django.core.cache import cache
from django.http import HttpResponse
from django.test import TestCase

from chats.models import Chat, Message
from instances import tokens
from instances.models import Account, Instance, Token
from portal import context
from portal.rest import rate

RATE_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


class BaseTestCase(TestCase):
    """The three and what is theirs; no request has been counted yet."""

    alice_account: Account
    charlie_account: Account
    shop: Instance
    desk: Instance
    charlies_shop: Instance
    stall: Instance
    # The rows, and below them the secrets.
    alice_token: Token
    alice_shop_token: Token
    bob_token: Token
    bob_desk_token: Token
    charlie_token: Token
    charlie_stall_token: Token
    alice: str
    alice_shop: str
    bob: str
    bob_desk: str
    charlie: str
    charlie_stall: str

    @classmethod
    def setUpTestData(cls) -> None:
        cls.alice_account = Account.objects.create(name="Alice & Bob")
        cls.charlie_account = Account.objects.create(name="Charlie")
        cls.shop = Instance.objects.create(account=cls.alice_account, name="shop")
        cls.desk = Instance.objects.create(account=cls.alice_account, name="desk")
        cls.charlies_shop = Instance.objects.create(account=cls.charlie_account, name="shop")
        cls.stall = Instance.objects.create(account=cls.charlie_account, name="stall")
        cls.alice_token, cls.alice = tokens.issue(cls.alice_account, label="Alice")
        cls.alice_shop_token, cls.alice_shop = tokens.issue(cls.alice_account, instance=cls.shop, label="Alice shop")
        cls.bob_token, cls.bob = tokens.issue(cls.alice_account, label="Bob")
        cls.bob_desk_token, cls.bob_desk = tokens.issue(cls.alice_account, instance=cls.desk, label="Bob desk")
        cls.charlie_token, cls.charlie = tokens.issue(cls.charlie_account, label="Charlie")
        cls.charlie_stall_token, cls.charlie_stall = tokens.issue(cls.charlie_account, instance=cls.stall)

    def setUp(self) -> None:
        super().setUp()
        cache.clear()
        context.kept.clear()
        rate.forget()

    def make_message(
        self, message_id: str, *, instance: Instance | None = None, chat: str = "5511999999999@s.whatsapp.net"
    ) -> Message:
        """A text message in a direct chat of `instance` (Alice's shop), written by the other side."""
        instance = instance or self.shop
        row, _ = Chat.objects.get_or_create(instance=instance, jid=chat, defaults={"kind": Chat.Kind.DIRECT})
        return Message.objects.create(
            instance=instance,
            chat=row,
            sender=chat,
            message_id=message_id,
            from_me=False,
            sent_at=datetime(2026, 2, 16, 18, 32, 39, tzinfo=UTC),
            kind=Message.Kind.TEXT,
            text="Hello",
            wire_chat=chat,
            wire_sender=chat,
        )


class ApiTestCase(BaseTestCase):
    """Calls the API and looks at what every answer must have."""

    def setUp(self) -> None:
        super().setUp()
        self.client.raise_request_exception = False

    def call(self, method: str, path: str, body: Any = b"", *, token: str = "", **headers: str) -> HttpResponse:
        """One request; `body` is bytes as they are, anything else is sent as JSON.

        `headers` go by their names with underscores: `x_forwarded_for="…"`.
        """
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["token"] = token
        kind = sent.pop("content-type", "application/json")
        response = self.client.generic(method, path, data, content_type=kind, headers=sent)
        assert isinstance(response, HttpResponse)
        self.check_dress(response)
        return response

    def post(self, path: str, body: Any = b"", *, token: str = "", **headers: str) -> HttpResponse:
        """One POST request, as `call`."""
        return self.call("POST", path, body, token=token, **headers)

    def check_dress(self, response: HttpResponse) -> None:
        """What holds for every answer of the API: the limit's headers; errors in their envelope, in JSON."""
        for name in RATE_HEADERS:
            assert re.search(r"^\d+$", response.headers.get(name, "")), name
        if response.status_code >= 400:
            assert response.headers["Content-Type"] == "application/json"
            body = json.loads(response.content)
            assert list(body) == ["success", "error"]
            assert body["success"] is False
            assert list(body["error"]) == ["message"]
            assert isinstance(body["error"]["message"], str)
            assert "Traceback" not in response.content.decode()

    def assert_error(self, response: HttpResponse, status: int, message: str) -> None:
        """Exactly this status and this sentence."""
        answer = {"success": False, "error": {"message": message}}
        assert (response.status_code, json.loads(response.content)) == (status, answer)

    def assert_answer(self, response: HttpResponse, answer: dict[str, Any]) -> None:
        """200, and exactly these keys and values in this order."""
        assert response.status_code == 200, response.content
        assert response.headers["Content-Type"] == "application/json"
        assert list(json.loads(response.content).items()) == list(answer.items())
