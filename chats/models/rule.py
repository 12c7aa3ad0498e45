"""Standing orders: which messages of an instance are pinned by themselves."""

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chats.models.chat import Chat
from chats.models.errand import Errand
from instances.models import Instance, Token


class Rule(models.Model):
    """What a message must be for its pin to come by itself. `chats.rules` alone changes it."""

    class Trigger(models.TextChoices):
        """What sets it off."""

        MESSAGE = "message", _("A message")
        HASHTAG = "hashtag", _("A hashtag of our own")
        REACTION = "reaction", _("A reaction")

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="rules")
    name = models.CharField(max_length=60)
    trigger = models.CharField(max_length=8, choices=Trigger.choices)
    # In which chat; None: in all.
    chat = models.ForeignKey(Chat, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    # Who wrote it, or who may react: JIDs, or "me". Empty: anybody (a message), nobody (a reaction).
    people = models.JSONField(default=list, blank=True)
    # The words a message must hold in this order, the hashtag, or the emoji.
    words = models.CharField(max_length=100, blank=True)
    duration = models.PositiveIntegerField(default=604_800)
    an_hour = models.PositiveSmallIntegerField(default=10)

    # Made switched off: it is looked at first (`chats.rules.preview`).
    active = models.BooleanField(default=False)
    # Messages from before this are not its business.
    since = models.DateTimeField(null=True, blank=True)
    actor = models.CharField(max_length=200)
    token = models.ForeignKey(Token, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["instance"], name="rule_active", condition=models.Q(active=True)),
        ]

    def __str__(self) -> str:
        return self.name


class RuleHit(Errand):
    """A message that a rule found: one row a message, whichever rule, so that it is pinned once."""

    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="hits", db_index=False)
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="+")
    found_at = models.DateTimeField(default=timezone.now)
    try_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["message"], name="rulehit_once_a_message")]
        indexes = [
            models.Index(fields=["rule", "-found_at"], name="rulehit_by_rule"),
            models.Index(fields=["try_at"], name="rulehit_due", condition=models.Q(state="waiting")),
        ]
