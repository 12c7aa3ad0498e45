"""A wish about a message's pin that is for later, or for longer than WhatsApp's own durations."""

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chats.models.message import Message
from instances.models import Instance, Token


class Schedule(models.Model):
    """What is to happen to one message's pin, and when. `chats.schedule` alone changes it.

    It takes one step after another: `step` is the next one, due at `due_at`.
    A runner claims the row (`claimed_until`), and `attempt` names the one
    stanza this step may send, whoever carries it out.
    """

    class Step(models.TextChoices):
        """What comes next."""

        PIN = "pin", _("Pin")
        RENEW = "renew", _("Renew")
        UNPIN = "unpin", _("Unpin")

    class State(models.TextChoices):
        """Whether something is still to come; if not, how it ended."""

        WAITING = "waiting", _("Planned")
        DONE = "done", _("Done")
        MISSED = "missed", _("Missed")
        FAILED = "failed", _("Failed")
        UNKNOWN = "unknown", _("Not confirmed")
        CANCELLED = "cancelled", _("Cancelled")

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="schedules")
    actor = models.CharField(max_length=200)
    token = models.ForeignKey(Token, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    # The wish. False: unpin at `starts_at`, and no more. What repeats does not begin before it.
    pinning = models.BooleanField(default=True)
    starts_at = models.DateTimeField(null=True, blank=True)
    # Five fields of cron, in the zone's own time: pin each time.
    repeat = models.CharField(max_length=100, blank=True)
    zone = models.CharField(max_length=64, default="UTC")
    # Seconds of one pin; None: as `until` or `stay` needs.
    duration = models.PositiveIntegerField(null=True, blank=True)
    # Kept up by renewals until then, and unpinned then; or until somebody stops it.
    until = models.DateTimeField(null=True, blank=True)
    stay = models.BooleanField(default=False)

    # How far it is.
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    step = models.CharField(max_length=5, choices=Step.choices)
    due_at = models.DateTimeField(null=True, blank=True)
    # When to try: `due_at`, or later when it could not be done then.
    try_at = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)
    attempt = models.UUIDField(null=True, blank=True)

    # The last step and what came of it.
    last_step = models.CharField(max_length=5, choices=Step.choices, blank=True)
    last_at = models.DateTimeField(null=True, blank=True)
    last_outcome = models.CharField(max_length=9, choices=State.choices, blank=True)
    last_detail = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["try_at"], name="schedule_due", condition=models.Q(state="waiting")),
            models.Index(fields=["message", "state"], name="schedule_by_message"),
        ]

    def __str__(self) -> str:
        return f"{self.step} {self.message_id} at {self.due_at}"


class LostSchedule(models.Model):
    """What was still planned for a message when the message was forgotten (`chats.search.retention`)."""

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="+")
    chat_name = models.CharField(max_length=200)
    called = models.CharField(max_length=128)
    step = models.CharField(max_length=5, choices=Schedule.Step.choices)
    due_at = models.DateTimeField(null=True, blank=True)
    actor = models.CharField(max_length=200)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["instance", "-at"], name="lostschedule_newest")]

    def __str__(self) -> str:
        return f"{self.step} {self.called}"
