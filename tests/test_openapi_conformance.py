"""Schemathesis calls every endpoint with what the OpenAPI document allows and forbids, and reads the answers by it."""

import json
import re
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from chats.errands import batch
from chats.errands.batch import By
from chats.media import Media
from chats.media.reference import Reference
from chats.models import Batch, Message, Pin
from chats.pinbook import Asker
from chats.rules import manage
from chats.schedule import wish
from chats.schedule.wish import Wanted
from instances import lifecycle
from instances.events import webhooks
from instances.events.models import Attempt, Delivery, OutgoingEvent, Webhook
from instances.models import Instance
from instances.whatsapp.commands import TextOrder
from instances.whatsapp.service import Link, Sent
from portal.rest import openapi
from portal.rest.errors import UNEXPECTED
from tests.base import BaseTestCase

pytestmark = pytest.mark.slow

CHECKS = [content_type_conformance, response_schema_conformance, status_code_conformance, negative_data_rejection]
OPERATIONS = [(method.upper(), path) for path, methods in openapi.document()["paths"].items() for method in methods]
# What the library cannot do (docs/wire.md).
NOT_YET = ("/pinChat/{instance}", "/favorite/{instance}")
EXAMPLES = 25
JID = "5511999999999@s.whatsapp.net"


@override_settings(
    EXPORT_RATE="1000000/m", API_RATE="1000000/m", API_NEW_INSTANCE_RATE="1000000/m", ALLOWED_HOSTS=["*"]
)
class Conformance(BaseTestCase):
    """Alice calls; WhatsApp does whatever is asked of it."""

    def setUp(self) -> None:
        super().setUp()
        # A request's end would close the connection that holds the test's transaction.
        for signal in (request_started, request_finished):
            signal.disconnect(close_old_connections)
            self.addCleanup(signal.connect, close_old_connections)
        document = json.loads(json.dumps(openapi.document(), default=str))
        self.schema = schemathesis.openapi.from_dict(document)
        self.schema.app = get_wsgi_application()
        message = self.make_message("3EB0")
        Pin.objects.create(message=message, state="pinned")
        self.schedule = wish.make(message, Wanted(stay=True), Asker("Alice"))
        by = By(token=self.alice_token)
        self.batch = batch.make(self.shop, Batch.Action.UNPIN, None, [batch.Wanted("3EB0", message)], by)
        self.rule = manage.add(self.shop, manage.Wanted(name="R", trigger="message", words="x", duration=86_400), by)
        self.enterContext(patch.object(manage, "delete"))
        front = "instances.whatsapp.service"
        self.enterContext(patch(f"{front}.announce"))
        self.enterContext(patch(f"{front}.logout"))
        self.enterContext(patch(f"{front}.connect", return_value=Link("2@code", False, "linking", "Waiting.")))
        self.enterContext(patch(f"{front}.pairing_code", return_value="ABCD-1234"))
        # Nobody settles an attempt here, and a second pin would wait for the first one's outcome.
        self.enterContext(patch("chats.pins.pin"))
        self.enterContext(patch("chats.pins.unpin"))
        file = Media(Path(__file__), Reference("document", "/x", b"", b"", b"", 1, "text/plain", "x.txt"))
        self.enterContext(patch("chats.media.open_media", return_value=file))
        self.enterContext(patch(f"{front}.send_text", side_effect=self.send_text))
        self.enterContext(patch(f"{front}.apply_preferences"))
        # No name is looked up: here nobody answers, and slowly.
        self.enterContext(patch("instances.proxies.check"))
        self.enterContext(patch("instances.api.TAKE_UP_SECONDS", 0))
        # What it deletes would be missing for the calls after it.
        self.enterContext(patch.object(lifecycle, "delete"))
        self.enterContext(patch.object(webhooks, "delete"))
        Instance.objects.filter(pk=self.shop.pk).update(state="connected")
        self.hook, _ = webhooks.add(self.shop, "https://crm.example.com/", ["message.pin"])
        self.enterContext(patch.object(webhooks, "test", side_effect=self.send_test))

    def send_text(self, instance: Instance, order: TextOrder) -> Sent:
        message = self.make_message(f"S{Message.objects.count()}", instance=instance, chat=order.chat)
        Message.objects.filter(pk=message.pk).update(from_me=True)
        return Sent(message.message_id)

    def send_test(self, webhook: Webhook) -> Delivery:
        now = timezone.now()
        event = OutgoingEvent.objects.create(instance=self.shop, uid=uuid4(), kind="webhook.test", at=now, body="{}")
        delivery = Delivery.objects.create(webhook=webhook, event=event, give_up_at=now)
        Attempt.objects.create(delivery=delivery, status=200, milliseconds=1)
        return delivery

    def conforms(self, method: str, path: str, mode: GenerationMode) -> None:
        operation = self.schema[path][method]

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def calls(case: Any) -> None:
            if mode == GenerationMode.POSITIVE:
                self.aim(case)
            else:
                self.aim_beside(case)
            response = case.call(headers={"token": self.alice})
            looked_at = not passed_over(case, response)
            checks = [check for check in CHECKS if check is not negative_data_rejection or looked_at]
            case.validate_response(response, checks=checks, excluded_checks=[not_a_server_error])
            assert UNEXPECTED not in response.text
            statuses.add(response.status_code)

        statuses: set[int] = set()
        calls()
        assert mode == GenerationMode.NEGATIVE or (501 if path.endswith(NOT_YET) else 200) in statuses

    def aim_schedule(self, body: Any) -> None:
        """Of all the times that may be sent together, chance finds none that fit."""
        if not isinstance(body, dict):
            return
        if "scheduleId" in body:
            body["scheduleId"] = str(self.schedule.uid)
        if "until" in body:
            for name in ("pinAt", "unpinAt", "repeat", "duration", "timeZone"):
                body.pop(name, None)
            body["until"] = "stopped"

    def aim_many(self, case: Any) -> None:
        """At the batch and the rule that are there; a new rule is one that can be."""
        body, query = case.body if isinstance(case.body, dict) else {}, case.query or {}
        for name, uid in {"batchId": self.batch.uid, "ruleId": self.rule.uid}.items():
            if name in body:
                body[name] = str(uid)
        if "trigger" in body:
            body.update(name="R", trigger="message", words="hello", people=["me"])
            body.pop("chat", None)
        if "id" in query and "/webhook/" not in case.path:
            query["id"] = str(self.batch.uid if case.path.endswith("/batch/{instance}") else self.rule.uid)
        if "cursor" in query and case.path.endswith("/batch/{instance}"):
            query.pop("cursor")

    def aim(self, case: Any) -> None:
        """Name what is there: of all names the document allows, chance finds none of ours."""
        if "instance" in case.path_parameters:
            case.path_parameters["instance"] = "shop"
        if "/webhook/" in case.path:
            where = case.query if case.method == "DELETE" else case.body
            if isinstance(where, dict) and "id" in where:
                where["id"] = str(self.hook.uid)
            if isinstance(case.query, dict) and case.method == "GET":
                case.query.pop("id", None)
            for name, value in {"url": "https://crm.example.com/", "delivery": ""}.items():
                if isinstance(case.body, dict) and name in case.body:
                    case.body[name] = value
        self.aim_schedule(case.body)
        self.aim_many(case)
        for name, value in {"number": JID, "messageId": "3EB0", "chatJid": JID}.items():
            if name in (case.query or {}) and re.search("media|pinHistory", case.path):
                case.query[name] = value
            if isinstance(case.body, dict) and name in case.body:
                case.body[name] = value

    def aim_beside(self, case: Any) -> None:
        """As `aim`, where it leaves what is wrong as it is: or all would be refused for the instance's name alone."""
        wrong = {part.name for part, about in case.meta.components.items() if about.mode == GenerationMode.NEGATIVE}
        if "instance" in case.path_parameters and not wrong & {"PATH", "PATH_PARAMETERS"}:
            case.path_parameters["instance"] = "shop"
        there = {
            "messageId": "3EB0", "chatJid": JID, "number": JID, "scheduleId": str(self.schedule.uid),
            "batchId": str(self.batch.uid), "ruleId": str(self.rule.uid), "id": str(self.hook.uid),
        }  # fmt: skip
        for name, value in there.items():
            if isinstance(case.body, dict) and isinstance(case.body.get(name), str) and case.body[name].strip():
                case.body[name] = value

    def test_what_the_document_allows(self) -> None:
        for method, path in OPERATIONS:
            with self.subTest(f"{method} {path}"):
                self.conforms(method, path, GenerationMode.POSITIVE)

    def test_what_it_forbids(self) -> None:
        for method, path in OPERATIONS:
            with self.subTest(f"{method} {path}"):
                self.conforms(method, path, GenerationMode.NEGATIVE)


def passed_over(case: Any, response: Any) -> bool:
    """Whether something is in it that the contract does not look at, and the document cannot say so.

    A parameter with nothing behind its last "=" counts as left out, as a blank limit of a history does; of an unpin no
    duration is read, and beside a rule's id no wish for another rule.
    """
    body = case.body if isinstance(case.body, dict) else {}
    unpins = body.get("pin") is False or body.get("action") == "unpin"
    previews = case.path.endswith("/previewRule/{instance}") and bool(body.get("ruleId"))
    blank = any(isinstance(body.get(name), str) and not body[name].strip() for name in ("from", "to", "type"))
    # As it was sent: of what is no text, nothing may be left there.
    sent = parse_qs(urlsplit(response.request.url).query, keep_blank_values=True)
    return (
        blank or (unpins and "duration" in body) or previews or any(not values[-1].strip() for values in sent.values())
    )
