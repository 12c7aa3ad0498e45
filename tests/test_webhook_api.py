"""Webhooks over the API: each row of the contract, and nothing for strangers."""

import base64
import contextlib
import hashlib
import hmac
import ipaddress
import json
import uuid
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chats import pinbook
from chats.pinbook import Asker, Outcome, Wish
from instances.events import api, book, signing, webhooks
from instances.events.kinds import PIN, Event
from instances.events.models import Delivery, OutgoingEvent, Webhook
from instances.events.outbox import put
from instances.models import Instance
from portal.models import AuditLine
from tests.base import ApiTestCase

URL = "https://crm.example.com/whatsapp"
CALLS = {
    "add": "POST",
    "list": "GET",
    "change": "POST",
    "delete": "DELETE",
    "rotate": "POST",
    "test": "POST",
    "deliveries": "GET",
    "resend": "POST",
}


class WebhookTestCase(ApiTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.hook, self.secret = webhooks.add(self.shop, URL, [PIN])

    def ask(self, what: str, body: Any = b"", *, query: str = "", token: str = "", shop: str = "shop") -> Any:
        path = f"/api/webhook/{what}/{shop}{query}"
        return self.call(CALLS[what], path, body, token=token or self.alice)

    def named(self, **more: Any) -> dict[str, Any]:
        return {"id": str(self.hook.uid), **more}

    def deliver(self, *outcomes: book.Outcome) -> Delivery:
        """An event for the webhook, and what came of it."""
        self.shop.refresh_from_db()
        put([Event(self.shop, PIN, uuid.uuid4().hex, {})])
        book.hand_out()
        delivery = Delivery.objects.latest("pk")
        for outcome in outcomes:
            delivery.refresh_from_db()
            book.note(delivery, outcome)
        return delivery


class Adding(WebhookTestCase):
    def test_it_works(self) -> None:
        response = self.ask("add", {"url": URL, "events": ["instance.state", "message.pin"]})
        assert response.status_code == 200
        answer = json.loads(response.content)
        assert answer["message"] == "Webhook added successfully"
        made = answer["webhook"]
        assert (made["url"], made["events"], made["active"]) == (URL, ["instance.state", "message.pin"], True)
        assert made["secret"].startswith("whsec_")
        listed = json.loads(self.ask("list").content)
        assert listed["count"] == 2
        assert made["secret"] not in self.ask("list").content.decode()
        line = AuditLine.objects.get(action="webhook added")
        assert (line.actor, line.target, line.detail) == ("token 'Alice'", "shop", URL)

    def test_the_secret_is_nowhere_in_the_database(self) -> None:
        row = json.dumps(list(Webhook.objects.values()), default=str)
        assert self.secret not in row
        assert self.secret.removeprefix("whsec_") not in row

    def test_what_must_be_there(self) -> None:
        self.assert_error(self.ask("add", {"events": [PIN]}), 400, "url is required")
        nothing = "Choose at least one event: "
        for events in (None, [], ["message.nothing"]):
            response = self.ask("add", {"url": URL, "events": events})
            assert response.status_code == 400
            assert nothing in response.content.decode()
        self.assert_error(
            self.ask("add", {"url": URL, "events": "message.pin"}),
            400,
            "Invalid request body: events must be an array of strings, not a string",
        )
        self.assert_error(
            self.ask("add", {"url": URL, "events": [1]}),
            400,
            "Invalid request body: events must be an array of strings, and holds a number",
        )

    def test_addresses_that_are_none(self) -> None:
        for url in (
            "crm.example.com",
            "ftp://crm.example.com",
            "https://",
            "https://a b/",
            "http://[::1",
            "http://x:0/",
        ):
            assert self.ask("add", {"url": url, "events": [PIN]}).status_code == 400, url
        response = self.ask("add", {"url": "https://user:secret@crm.example.com", "events": [PIN]})
        assert "no user name or password" in response.content.decode()

    def test_a_host_that_is_no_name(self) -> None:
        """Was red: looking whether it is an IP address, Python raised what was a fault of ours (500)."""
        words = "Invalid request body: The address's host is none: between its dots stand 1 to 63 characters."
        for host in ("a..b", ".x", "a" * 64, f"{'a' * 64}.test"):
            self.assert_error(self.ask("add", {"url": f"https://{host}/", "events": [PIN]}), 400, words)
            self.assert_error(self.ask("change", self.named(url=f"https://{host}/")), 400, words)

    def test_private_addresses_however_they_are_written(self) -> None:
        for host in (
            "127.0.0.1", "10.0.0.5", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
            "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::1]", "[::ffff:10.0.0.5]", "[fe80::1]", "[fd00::1]",
            "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::7f00:1]", "224.0.0.1", "[ff02::1]", "localhost", "a.localhost",
        ):  # fmt: skip
            response = self.ask("add", {"url": f"http://{host}/", "events": [PIN]})
            assert response.status_code == 400, host
            assert "private network" in response.content.decode(), host
        for host in ("93.184.215.14", "[2606:2800:21f:cb07:6820:80da:af6b:8b2c]"):
            assert webhooks.checked_url(f"http://{host}/"), host

    @override_settings(WEBHOOK_ALLOWED_NETWORKS=[ipaddress.ip_network("10.1.0.0/16")])
    def test_a_network_that_is_allowed(self) -> None:
        for host in ("10.1.2.3", "[::ffff:10.1.2.3]"):
            assert self.ask("add", {"url": f"http://{host}/", "events": [PIN]}).status_code == 200
        assert self.ask("add", {"url": "http://10.2.2.3/", "events": [PIN]}).status_code == 400

    def test_too_many(self) -> None:
        with patch.object(webhooks, "MOST", 1):
            self.assert_error(
                self.ask("add", {"url": URL, "events": [PIN]}),
                409,
                "This instance has all the webhooks it may have. Delete one first.",
            )

    def test_an_idempotency_key_keeps_no_secret(self) -> None:
        body = {"url": URL, "events": [PIN]}
        first, second = (
            self.call("POST", "/api/webhook/add/shop", body, token=self.alice, idempotency_key="k") for _ in range(2)
        )
        assert json.loads(first.content)["webhook"]["secret"]
        assert json.loads(second.content)["webhook"]["secret"] is None
        assert self.shop.webhooks.count() == 2


class Strangers(WebhookTestCase):
    def test_they_get_nothing(self) -> None:
        for what in CALLS:
            for token, status, message in (
                (self.charlie_stall, 403, "Instance token does not match the requested instance"),
                (self.bob_desk, 403, "Instance token does not match the requested instance"),
                ("nonsense", 401, "Invalid token"),
            ):
                self.assert_error(self.ask(what, self.named(), token=token), status, message)
            self.assert_error(self.call(CALLS[what], f"/api/webhook/{what}/shop"), 401, "Missing token in header")
            self.assert_error(self.ask(what, token=self.alice, shop="stall"), 404, "Instance not found")

    def test_a_webhook_of_another_instance_is_not_there(self) -> None:
        """Charlie has a "shop" too, and Alice's webhook is none of it; nor is it the desk's."""
        delivery = self.deliver(book.Outcome(500, 1))
        for token, shop in ((self.charlie, "shop"), (self.alice, "desk")):
            for what in ("change", "rotate", "test", "resend"):
                body = self.named(active=False, delivery=str(delivery.pk))
                self.assert_error(self.ask(what, body, token=token, shop=shop), 404, "Webhook not found")
            for what in ("delete", "deliveries"):
                query = f"?id={self.hook.uid}"
                self.assert_error(self.ask(what, query=query, token=token, shop=shop), 404, "Webhook not found")
            assert json.loads(self.ask("deliveries", token=token, shop=shop).content)["count"] == 0
        assert Webhook.objects.get() == self.hook


class Changing(WebhookTestCase):
    def wanted(self) -> str:
        return Instance.objects.get(pk=self.shop.pk).wanted_events

    def test_events(self) -> None:
        assert self.wanted() == "message.pin"
        answer = json.loads(self.ask("change", self.named(events=["group.flow"])).content)
        assert answer["webhook"]["events"] == ["group.flow"]
        assert self.wanted() == "group.flow"

    def test_pause_and_go_on(self) -> None:
        for active in (False, True):
            assert json.loads(self.ask("change", self.named(active=active)).content)["webhook"]["active"] is active
        assert self.wanted() == "message.pin", "what happens meanwhile waits"

    def test_address(self) -> None:
        assert self.ask("change", self.named(url="http://10.0.0.1/")).status_code == 400
        self.ask("change", self.named(url="https://other.example.com/"))
        self.hook.refresh_from_db()
        assert self.hook.url == "https://other.example.com/"

    def test_which(self) -> None:
        for what in ("change", "rotate", "test", "resend"):
            self.assert_error(self.ask(what, {}), 400, "id is required")
            for wrong in ("x", str(uuid.uuid4())):
                self.assert_error(self.ask(what, {"id": wrong}), 404, "Webhook not found")

    def test_rotate(self) -> None:
        answer = json.loads(self.ask("rotate", self.named()).content)["webhook"]
        assert answer["secret"] != self.secret
        assert answer["oldSecretUntil"] is not None

    def test_rotate_again_because_the_answer_was_lost(self) -> None:
        """The receiver has the first secret, or by then the second."""
        secrets = [self.secret]
        for _ in range(3):
            secrets.append(json.loads(self.ask("rotate", self.named()).content)["webhook"]["secret"])
        self.hook.refresh_from_db()
        assert [self.signs(secret) for secret in secrets] == [True] * 4
        with patch("django.utils.timezone.now", return_value=timezone.now() + signing.OVERLAP):
            assert [self.signs(secret) for secret in secrets] == [False, False, False, True]

    def signs(self, secret: str) -> bool:
        """Whether a receiver who has this secret knows our events by it."""
        mac = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), b"e.1.{}", hashlib.sha256)
        signatures = signing.headers(self.hook, "e", 1, b"{}")["webhook-signature"].split()
        return f"v1,{base64.b64encode(mac).decode()}" in signatures

    def test_delete(self) -> None:
        self.deliver()
        answer = {"success": True, "message": "Webhook deleted successfully", "id": str(self.hook.uid)}
        self.assert_answer(self.ask("delete", query=f"?id={self.hook.uid}"), answer)
        assert not Webhook.objects.exists()
        assert not Delivery.objects.exists()
        assert self.wanted() == ""


class Log(WebhookTestCase):
    def listed(self, query: str = "") -> Any:
        return json.loads(self.ask("deliveries", query=query).content)

    def test_each_attempt_is_in_it(self) -> None:
        self.deliver(book.Outcome(500, 12, "", "oh no"), book.Outcome(None, 10_000, "too late"), book.Outcome(200, 5))
        (one,) = self.listed()["deliveries"]
        assert (one["event"], one["state"], one["nextAttemptAt"]) == ("message.pin", "delivered", None)
        facts = [(a["status"], a["milliseconds"], a["error"], a["answer"]) for a in one["attempts"]]
        assert facts == [(500, 12, "", "oh no"), (None, 10_000, "too late", ""), (200, 5, "", "")]

    def test_pages(self) -> None:
        keys = [str(self.deliver().pk) for _ in range(5)]
        first = self.listed("?limit=3")
        assert (first["count"], first["hasMore"]) == (3, True)
        rest = self.listed(f"?limit=3&cursor={first['next']}")
        assert [one["id"] for one in first["deliveries"] + rest["deliveries"]] == keys[::-1]
        assert (rest["hasMore"], rest["next"]) == (False, None)
        # The last one was red: as long as no number of a row.
        for wrong in ("x", "-1", "%D9%A3", "1" * 19):
            assert self.ask("deliveries", query=f"?cursor={wrong}").status_code == 400

    def test_it_is_tried_for_a_day_and_at_least_every_hour_or_so(self) -> None:
        left = self.deliver().give_up_at - timezone.now()
        assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)
        waits = [book.wait_after(tries) for tries in range(1, 40)]
        assert waits[0] < timedelta(minutes=1)
        assert max(waits) <= timedelta(minutes=72)
        assert min(waits[-10:]) >= timedelta(minutes=48)

    def test_dead_letters_and_sending_them_again(self) -> None:
        delivery = self.deliver()
        Delivery.objects.update(give_up_at=timezone.now())
        assert book.give_up() == 1
        assert [one["id"] for one in self.listed("?state=dead")["deliveries"]] == [str(delivery.pk)]
        self.assert_answer(
            self.ask("resend", self.named()), {"success": True, "message": "On their way again", "count": 1}
        )
        assert self.listed("?state=dead")["deliveries"] == []
        delivery.refresh_from_db()
        assert delivery.state == Delivery.State.PENDING
        assert delivery.give_up_at > timezone.now(), "it has a day again"

    def test_one_that_was_delivered_may_be_sent_again(self) -> None:
        delivery = self.deliver(book.Outcome(200, 5))
        assert json.loads(self.ask("resend", self.named(delivery=str(delivery.pk))).content)["count"] == 1
        for wrong in ("0", "x", str(10**30), str(delivery.pk + 1)):
            self.assert_error(self.ask("resend", self.named(delivery=wrong)), 404, "Delivery not found")


class Testing(WebhookTestCase):
    def test_it_waits_for_the_first_attempt(self) -> None:
        real = webhooks.test

        def attempted(webhook: Webhook) -> Delivery:
            delivery = real(webhook)
            book.note(delivery, book.Outcome(418, 7, "", "a teapot"))
            return delivery

        with patch.object(webhooks, "test", attempted):
            answer = json.loads(self.ask("test", self.named()).content)
        assert answer["delivery"]["event"] == "webhook.test"
        assert answer["delivery"]["attempts"][0]["status"] == 418

    @override_settings(WEBHOOK_TIMEOUT=timedelta(0))
    def test_without_a_worker(self) -> None:
        with patch("instances.events.api.GRACE_SECONDS", 0.1):
            self.assert_error(
                self.ask("test", self.named()),
                504,
                "The test event was not sent yet: no worker is running, or it has much to do",
            )

    @override_settings(WEBHOOK_TIMEOUT=timedelta(0))
    def test_a_paused_one_is_not_waited_for(self) -> None:
        """Was red: each such call held one of the web's threads for 13 s, and 64 of them stopped everybody."""
        webhooks.change(self.hook, active=False)
        with patch.object(api, "GRACE_SECONDS", 0):
            answer = self.ask("test", self.named())
        self.assert_error(answer, 409, "This webhook is paused: nothing is sent to it. Let it go on first.")
        assert not Delivery.objects.exists()

    @override_settings(WEBHOOK_TIMEOUT=timedelta(0))
    def test_so_many_at_once_and_no_more(self) -> None:
        """Was red: a receiver that takes its time held as many threads as there are."""
        with patch.object(api, "GRACE_SECONDS", 0), contextlib.ExitStack() as others:
            for _ in range(api.TESTS_AT_ONCE):
                assert api._testing.acquire(blocking=False)
                others.callback(api._testing.release)
            self.assert_error(self.ask("test", self.named()), 503, api.TESTS_BUSY)
            assert not Delivery.objects.exists()
        with patch.object(api, "GRACE_SECONDS", 0):
            for _ in range(api.TESTS_AT_ONCE + 1):
                self.assert_error(self.ask("test", self.named()), 504, api.NOT_SENT)


class Cost(WebhookTestCase):
    """What an event costs whoever brings it about: a statement at most, and none when nobody listens."""

    def test_one_statement(self) -> None:
        self.shop.refresh_from_db()
        events = [Event(self.shop, PIN, str(number), {}) for number in range(100)]
        with self.assertNumQueries(1):
            put(events)
        assert OutgoingEvent.objects.count() == 100

    def test_none(self) -> None:
        with self.assertNumQueries(0):
            put([Event(self.desk, PIN, "a", {})])

    def pin(self, message_id: str) -> tuple[int, int]:
        """How many statements opening and settling an attempt take."""
        message = self.make_message(message_id)
        message.instance.refresh_from_db()
        with CaptureQueriesContext(connection) as opened:
            opening = pinbook.open_attempt(message, Wish(86_400), Asker("Ana"), timezone.now())
        assert opening.attempt is not None
        with CaptureQueriesContext(connection) as settled:
            pinbook.settle(opening.attempt, Outcome.ACKNOWLEDGED, stanza_id="3EB0")
        return len(opened), len(settled)

    def test_pins(self) -> None:
        webhooks.delete(self.hook)
        opened, settled = self.pin("untold")
        assert not OutgoingEvent.objects.exists()
        webhooks.add(self.shop, URL, [PIN])
        assert self.pin("told") == (opened + 1, settled + 1)
        bodies = [json.loads(event.body) for event in OutgoingEvent.objects.order_by("pk")]
        assert [body["data"]["change"] for body in bodies] == ["asked", "acknowledged"]
        assert [body["data"]["state"] for body in bodies] == ["requested", "pinned"]
