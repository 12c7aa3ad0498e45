"""The REST endpoints of webhooks. They parse and answer; the rules are in `instances.events.webhooks`."""

import threading
import time
from typing import Any

from django.conf import settings
from django.db import connection
from rest_framework.request import Request
from rest_framework.response import Response

from instances.events import described, reading, webhooks
from instances.events.models import Delivery, Webhook
from portal import audit, crowd
from portal.rest.body import read_fields
from portal.rest.errors import ApiError, InvalidBody
from portal.rest.query import COUNT, MOST, Parameters, uid_in
from portal.rest.views import InstanceView
from portal.views import typed

LOOK_AGAIN = 0.05
# Beyond the receiver's own time: how long a worker may take to get to a test.
GRACE_SECONDS = 3.0
# So many wait for the outcome of a test: each holds one of the web's 64 threads for as long as a receiver likes.
TESTS_AT_ONCE = 8
TESTS_BUSY = "Too many webhooks are being tested at the moment: try again in a minute"
NOT_SENT = "The test event was not sent yet: no worker is running, or it has much to do"
_testing = threading.BoundedSemaphore(TESTS_AT_ONCE)


class WebhookNotFound(Exception):
    """No webhook of this instance has the id."""

    def __init__(self) -> None:
        super().__init__("Webhook not found")


class WebhookView(InstanceView):
    """An endpoint that may name one of the instance's webhooks."""

    statuses = {webhooks.TooMany: 409, webhooks.Paused: 409, WebhookNotFound: 404}

    def webhook(self, name: str) -> Webhook:
        """The webhook of this id. Raises ApiError or WebhookNotFound."""
        if not name:
            raise ApiError(400, "id is required")
        found = reading.webhook_of(self.instance, uid_in(name, WebhookNotFound))
        if found is None:
            raise WebhookNotFound
        return found

    def kept(self, data: Any) -> Any:
        """The secret is shown once, and kept nowhere: who missed it rotates."""
        made = data.get("webhook", {})
        return {**data, "webhook": {**made, "secret": None}} if "secret" in made else data

    def note(self, action: str, webhook: Webhook) -> None:
        """A line in the audit."""
        audit.record_token(self.token, action, self.instance.name, detail=webhook.url)


class AddWebhook(WebhookView):
    """POST /api/webhook/add/:instance makes a webhook; its secret is shown this once."""

    @described.ADD
    def post(self, request: Request, name: str) -> Response:
        """Answer with the webhook and its secret."""
        fields = read_fields(request._request)
        url, events = fields.text("url"), fields.texts("events")
        if not url.strip():
            raise ApiError(400, "url is required")
        try:
            made, secret = webhooks.add(self.instance, url, events or [])
        except (webhooks.InvalidUrl, webhooks.InvalidEvents) as error:
            raise InvalidBody(str(error)) from None
        self.note("webhook added", made)
        return _done("Webhook added successfully", {**shown(made), "secret": secret})


class ListWebhooks(WebhookView):
    """GET /api/webhook/list/:instance: the instance's webhooks."""

    @described.LIST
    def get(self, request: Request, name: str) -> Response:
        """Answer with each webhook and how it does."""
        found = [shown(webhook) for webhook in reading.webhooks_of(self.instance)]
        return Response({"success": True, "webhooks": found, "count": len(found)})


class ChangeWebhook(WebhookView):
    """POST /api/webhook/change/:instance gives a webhook another address or other events, or pauses it."""

    repeatable = True

    @described.CHANGE
    def post(self, request: Request, name: str) -> Response:
        """Answer with the webhook as it is now; what is left out stays."""
        fields = read_fields(request._request)
        key, url, events = fields.text("id").strip(), fields.text("url").strip(), fields.texts("events")
        active = fields.flag("active", "true delivers, false pauses") if fields.given("active") else None
        webhook = self.webhook(key)
        try:
            webhooks.change(webhook, url=url or None, events=events, active=active)
        except (webhooks.InvalidUrl, webhooks.InvalidEvents) as error:
            raise InvalidBody(str(error)) from None
        self.note("webhook changed", webhook)
        return _done("Webhook changed successfully", shown(webhook))


class DeleteWebhook(WebhookView):
    """DELETE /api/webhook/delete/:instance?id= deletes a webhook, with its log and what is under way to it."""

    @described.DELETE
    def delete(self, request: Request, name: str) -> Response:
        """Answer 200 when it is gone."""
        webhook = self.webhook(Parameters(request).text("id"))
        webhooks.delete(webhook)
        self.note("webhook deleted", webhook)
        return Response({"success": True, "message": "Webhook deleted successfully", "id": str(webhook.uid)})


class RotateWebhook(WebhookView):
    """POST /api/webhook/rotate/:instance makes a new secret; the one before signs too for a day."""

    @described.ROTATE
    def post(self, request: Request, name: str) -> Response:
        """Answer with the new secret, shown this once."""
        webhook = self.webhook(read_fields(request._request).text("id").strip())
        secret = webhooks.rotate(webhook)
        self.note("webhook secret rotated", webhook)
        answer = {**shown(webhook), "secret": secret, "oldSecretUntil": webhook.old_until}
        return _done("Webhook secret rotated successfully", answer)


class TestWebhook(WebhookView):
    """POST /api/webhook/test/:instance sends a test event, and waits for what comes of it."""

    @described.TEST
    def post(self, request: Request, name: str) -> Response:
        """Answer with the delivery and its first attempt, whatever the receiver said."""
        webhook = self.webhook(read_fields(request._request).text("id").strip())
        with crowd.one_of(_testing, lambda: ApiError(503, TESTS_BUSY)):
            delivery = self._tested(webhook)
        return Response({"success": True, "message": "Test event sent", "delivery": shown_delivery(delivery)})

    def _tested(self, webhook: Webhook) -> Delivery:
        delivery = webhooks.test(webhook)
        self.note("webhook tested", webhook)
        crowd.step_aside()
        limit = time.monotonic() + settings.WEBHOOK_TIMEOUT.total_seconds() + GRACE_SECONDS
        while not delivery.attempts.exists():
            if time.monotonic() > limit:
                raise ApiError(504, NOT_SENT)
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()
            time.sleep(LOOK_AGAIN)
        delivery.refresh_from_db()
        return delivery


class Deliveries(WebhookView):
    """GET /api/webhook/deliveries/:instance: the log; `state=dead` is the list of what was given up."""

    @described.DELIVERIES
    def get(self, request: Request, name: str) -> Response:
        """Answer with a page of deliveries, the newest first, each with its attempts."""
        parameters = Parameters(request)
        key = parameters.text("id")
        state = parameters.choice("state", ("all", *Delivery.State.values))
        limit = parameters.number("limit", COUNT, MOST)
        before = parameters.cursor(typed.key)
        found, more = reading.deliveries_of(
            self.instance,
            webhook=self.webhook(key) if key else None,
            state="" if state == "all" else state,
            before=before,
            count=limit,
        )
        return Response(
            {
                "success": True,
                "deliveries": [shown_delivery(delivery) for delivery in found],
                "count": len(found),
                "hasMore": more,
                "next": str(found[-1].pk) if more else None,
            }
        )


class Resend(WebhookView):
    """POST /api/webhook/resend/:instance sends one delivery again, or all that a webhook's receiver missed."""

    @described.RESEND
    def post(self, request: Request, name: str) -> Response:
        """Answer with how many are on their way again."""
        fields = read_fields(request._request)
        webhook = self.webhook(fields.text("id").strip())
        chosen = fields.text("delivery").strip()
        if chosen:
            found = webhook.deliveries.filter(pk=typed.key(chosen) or 0)
            if not found.exists():
                raise ApiError(404, "Delivery not found")
        else:
            found = webhook.deliveries.filter(state=Delivery.State.DEAD)
        count = webhooks.resend(found)
        self.note("webhook events sent again", webhook)
        return Response({"success": True, "message": "On their way again", "count": count})


def shown(webhook: Webhook) -> dict[str, Any]:
    """A webhook as the API shows it."""
    return {
        "id": str(webhook.uid),
        "url": webhook.url,
        "events": webhook.events,
        "active": webhook.active,
        "failures": webhook.failures,
        "restingUntil": webhook.resting_until if webhook.resting else None,
        "waiting": getattr(webhook, "waiting", 0),
        "givenUp": getattr(webhook, "given_up", 0),
        "createdAt": webhook.created_at,
    }


def shown_delivery(delivery: Delivery) -> dict[str, Any]:
    """A delivery as the API shows it."""
    return {
        "id": str(delivery.pk),
        "webhookId": str(delivery.webhook.uid),
        "eventId": str(delivery.event.uid),
        "event": delivery.event.kind,
        "at": delivery.event.at,
        "state": delivery.state,
        "nextAttemptAt": delivery.due_at if delivery.state == Delivery.State.PENDING else None,
        "settledAt": delivery.settled_at,
        "attempts": [
            {
                "at": attempt.at,
                "status": attempt.status,
                "milliseconds": attempt.milliseconds,
                "error": attempt.error,
                "answer": attempt.answer,
            }
            for attempt in delivery.attempts.all()
        ],
    }


def _done(message: str, webhook: dict[str, Any]) -> Response:
    return Response({"success": True, "message": message, "webhook": webhook})
