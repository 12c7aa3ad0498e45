"""Pins that the worker makes in somebody's name: what all of them have, and those asked for many at once."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chats.models.message import Message
from instances.models import Instance, Token


class Errand(models.Model):
    """One message to pin or unpin in somebody's name: written before anything is sent, and carried out once."""

    class State(models.TextChoices):
        """What came of it."""

        WAITING = "waiting", _("Waiting")
        DONE = "done", _("Done")
        SKIPPED = "skipped", _("Nothing to do")
        FAILED = "failed", _("Failed")
        UNKNOWN = "unknown", _("Not confirmed")

    # None: it is not stored, or not any more. What it was called stays.
    message = models.ForeignKey(Message, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    called = models.CharField(max_length=128)
    chat_jid = models.CharField(max_length=64, blank=True)

    state = models.CharField(max_length=7, choices=State.choices, default=State.WAITING)
    detail = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(null=True, blank=True)
    # Names the one stanza it may send, whoever carries it out.
    attempt = models.UUIDField(null=True, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.state} {self.called}"


class Batch(models.Model):
    """One instance's messages, pinned, renewed or unpinned together. `chats.errands` alone changes it."""

    class Action(models.TextChoices):
        """What is done with each message."""

        PIN = "pin", _("Pin")
        RENEW = "renew", _("Renew")
        UNPIN = "unpin", _("Unpin")

    class State(models.TextChoices):
        """Whether it goes on."""

        RUNNING = "running", _("Under way")
        STOPPED = "stopped", _("Stopped")
        DONE = "done", _("Done")

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="batches")
    action = models.CharField(max_length=5, choices=Action.choices)
    # Seconds, one of WhatsApp's; None to unpin.
    duration = models.PositiveIntegerField(null=True, blank=True)
    # The same wish while it is not over is the same batch.
    digest = models.CharField(max_length=64)

    # Who asked: a token or a person, and what they are called in histories.
    actor = models.CharField(max_length=200)
    by_token = models.BooleanField(default=False)
    token = models.ForeignKey(Token, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    state = models.CharField(max_length=7, choices=State.choices, default=State.RUNNING)
    # Why it stopped, when nobody stopped it.
    why = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    # Not before this: the pace, or a wait for the instance.
    try_at = models.DateTimeField(default=timezone.now)
    # Since when the instance has not been connected, as far as this batch has seen.
    waiting_since = models.DateTimeField(null=True, blank=True)
    # So many in a row that WhatsApp refused or did not confirm.
    trouble = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["try_at"], name="batch_due", condition=models.Q(state="running")),
            models.Index(fields=["instance", "state"], name="batch_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.uid}"


class BatchItem(Errand):
    """One message of a batch."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="items", db_index=False)

    class Meta:
        indexes = [models.Index(fields=["batch", "state", "id"], name="batchitem_by_state")]
