"""A pin for everyone, and everything that ever happened to it."""

from typing import Any, NoReturn

from django.db import models
from django.utils import timezone

from chats.models.message import Message
from instances.models import Token


class Pin(models.Model):
    """The present state of one message's pin. `chats.pinbook` alone changes it.

    While an attempt of ours is under way, `attempt` names it and
    `attempt_until` says when its outcome counts as unknown. `state` holds what
    was last known for sure (or that it is not known).
    """

    class State(models.TextChoices):
        """What is known of the pin."""

        REQUESTED = "requested"
        PINNED = "pinned"
        UNPINNED = "unpinned"
        EXPIRED = "expired"
        REPLACED = "replaced"
        FAILED = "failed"
        UNKNOWN = "unknown"

    # Phones show it, or may for all that is known.
    MAY_BE_SHOWN = (State.PINNED, State.UNKNOWN, State.REQUESTED)

    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="pin")
    state = models.CharField(max_length=10, choices=State.choices, default=State.REQUESTED)
    # Seconds, as on the wire. None while nothing is pinned.
    duration = models.PositiveIntegerField(null=True, blank=True)
    pinned_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    # Who brought about the present state, in words ("token 'CRM'", a JID).
    actor = models.CharField(max_length=200, blank=True)
    changed_at = models.DateTimeField(default=timezone.now)

    # When the caller asked for what is pinned now; None when a phone or a
    # contact brought it about. The same request soon after is a retry.
    asked_at = models.DateTimeField(null=True, blank=True)

    # The attempt under way, if any: what is wanted (no duration: an unpin).
    attempt = models.UUIDField(null=True, blank=True)
    attempt_at = models.DateTimeField(null=True, blank=True)
    attempt_until = models.DateTimeField(null=True, blank=True)
    attempt_duration = models.PositiveIntegerField(null=True, blank=True)
    attempt_actor = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["state", "expires_at"], name="pin_by_expiry"),
            models.Index(fields=["attempt"], name="pin_by_attempt", condition=models.Q(attempt__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.state} {self.message_id}"


class PinEvent(models.Model):
    """One line of a pin's history. Written once, never changed."""

    class Kind(models.TextChoices):
        """What happened."""

        ASKED = "asked"
        ACKNOWLEDGED = "acknowledged"
        REFUSED = "refused"
        NOT_SENT = "not_sent"
        UNCONFIRMED = "unconfirmed"
        SEEN = "seen", "seen: made by a phone or a contact"
        EXPIRED = "expired"
        REPLACED = "replaced"
        DELETED = "deleted", "deleted: its message was, for everyone"
        MISSED = "missed", "missed: planned for a time that passed"
        KEPT = "kept", "kept: its disappearing message is kept, or no longer"

    pin = models.ForeignKey(Pin, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    # What was wanted: True to pin, False to unpin.
    pinning = models.BooleanField()
    duration = models.PositiveIntegerField(null=True, blank=True)
    actor = models.CharField(max_length=200, blank=True)
    token = models.ForeignKey(Token, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    attempt = models.UUIDField(null=True, blank=True)
    stanza_id = models.CharField(max_length=128, blank=True, help_text="The id of the pin's own message on the wire.")
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["attempt"], name="pinevent_by_attempt")]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M:%S}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert; a second save of the same line is refused."""
        if not self._state.adding:
            raise TypeError("a pin's history is append-only")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: a line goes only with its whole pin."""
        raise TypeError("a pin's history is append-only")
