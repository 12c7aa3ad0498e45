"""Addresses that want to hear of events, and what became of each event on its way there."""

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal import clock

# No rest is longer, a little chance included (`instances.events.book`).
FARTHEST_REST = timedelta(minutes=20)


class Webhook(models.Model):
    """An address that is told of an instance's events. `instances.events.webhooks` changes it.

    Its secret is not stored: it is derived from SECRET_KEY and `salt`
    (`instances.events.signing`).
    """

    instance = models.ForeignKey("instances.Instance", on_delete=models.CASCADE, related_name="webhooks")
    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    url = models.CharField(max_length=2000)
    events = models.JSONField(default=list, help_text="The kinds it wants: see `instances.events.kinds`.")
    # False: a person paused it. What happens meanwhile waits for it, up to its limit.
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    salt = models.CharField(max_length=43, editable=False)
    # The secret before the last rotation, and until when it signs too.
    old_salt = models.CharField(max_length=43, blank=True, editable=False)
    old_until = models.DateTimeField(null=True, blank=True, editable=False)
    # Those before that one, when it was rotated several times in a day, each with the Unix time until when it signs.
    older_salts = models.JSONField(null=True, editable=False)

    # Attempts that failed since the last that did not; after several the address is given a rest.
    failures = models.PositiveIntegerField(default=0)
    resting_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.url

    @property
    def resting(self) -> bool:
        """Whether it failed so often that the portal leaves it alone for a while."""
        return self.resting_until is not None and clock.ahead(self.resting_until, timezone.now(), FARTHEST_REST)


class OutgoingEvent(models.Model):
    """One event that some address wants, written in the transaction of what it tells of."""

    instance = models.ForeignKey("instances.Instance", on_delete=models.CASCADE, related_name="+")
    uid = models.UUIDField()
    kind = models.CharField(max_length=20)
    # What it is about, for the order at an address; a chat's JID.
    about = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField()
    body = models.TextField(help_text="What is sent, to the byte.")
    # Whether each address that wants it has its delivery.
    handed_out = models.BooleanField(default=False)

    class Meta:
        indexes = [models.Index(fields=["id"], name="event_to_hand_out", condition=Q(handed_out=False))]

    def __str__(self) -> str:
        return f"{self.kind} {self.uid}"


class Delivery(models.Model):
    """One event on its way to one address."""

    class State(models.TextChoices):
        """How far it is."""

        PENDING = "pending", _("Under way")
        DELIVERED = "delivered", _("Delivered")
        DEAD = "dead", _("Given up")

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(OutgoingEvent, on_delete=models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=9, choices=State.choices, default=State.PENDING)
    # When it is tried next, and from when on no more.
    due_at = models.DateTimeField(default=timezone.now)
    give_up_at = models.DateTimeField()
    # How often it was tried since it was last sent on its way, which the next wait depends on.
    tries = models.PositiveIntegerField(default=0)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["webhook", "event"], name="delivery_once")]
        indexes = [
            models.Index(fields=["webhook", "due_at"], name="delivery_pending", condition=Q(state="pending")),
            models.Index(fields=["webhook", "state", "-id"], name="delivery_by_state"),
            models.Index(fields=["settled_at"], name="delivery_by_age", condition=Q(settled_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} to {self.webhook_id}: {self.state}"


class Attempt(models.Model):
    """One request to an address, and what came of it."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts")
    at = models.DateTimeField(default=timezone.now)
    # Of the answer; none came if it is empty, and `error` says why.
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    milliseconds = models.PositiveIntegerField()
    error = models.CharField(max_length=300, blank=True)
    answer = models.CharField(max_length=500, blank=True, help_text="How the answer's body begins.")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.status or self.error} after {self.milliseconds} ms"
