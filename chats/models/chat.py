"""A chat, and the people an instance knows."""

from django.db import models
from django.utils import timezone

from instances.models import Instance


class Contact(models.Model):
    """A person (or bot) as one instance knows them, under one row for both names.

    WhatsApp names people twice: by phone number (`…@s.whatsapp.net`) and by LID
    (`…@lid`), and a message may carry either or both. `jid` is the phone number
    where it is known, else the LID; see `chats.identity`.
    """

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="contacts")
    jid = models.CharField(max_length=64)
    lid = models.CharField(max_length=64, null=True, blank=True)
    push_name = models.CharField(max_length=200, blank=True, help_text="The name they gave themselves.")
    name = models.CharField(
        max_length=200, blank=True, default="", db_default="", help_text="What the phone's address book calls them."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instance", "jid"], name="contact_jid_once"),
            models.UniqueConstraint(fields=["instance", "lid"], name="contact_lid_once"),
        ]

    def __str__(self) -> str:
        return self.called or self.jid

    @property
    def called(self) -> str:
        """What the account's owner calls them, else what they call themselves, else empty."""
        return self.name or self.push_name


class Chat(models.Model):
    """One conversation, one row, whether it comes under its LID or its phone number."""

    class Kind(models.TextChoices):
        """What sort of conversation it is."""

        DIRECT = "direct"
        GROUP = "group"
        STATUS = "status"
        BROADCAST = "broadcast"
        NEWSLETTER = "newsletter"

    # From people to people: only there phones know pins, and a rule finds something.
    CONVERSATIONS = (Kind.DIRECT, Kind.GROUP)

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="chats")
    # The name the API shows: the phone number in a direct chat where it is
    # known, else the LID; the group's JID in a group.
    jid = models.CharField(max_length=64)
    lid = models.CharField(max_length=64, null=True, blank=True)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    name = models.CharField(max_length=200, blank=True)
    # Groups: only admins may write, or change settings (which includes pins).
    announce = models.BooleanField(default=False)
    locked = models.BooleanField(default=False)
    # Groups: who may delete for others, under each of their names; None until WhatsApp has been asked.
    admins = models.JSONField(null=True, blank=True, default=None)
    last_message_at = models.DateTimeField(null=True, blank=True)
    # How far somebody in the portal has read; one mark for the whole team, as
    # the phone has one. Empty: everything from before we knew the chat is read.
    read_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instance", "jid"], name="chat_jid_once"),
            models.UniqueConstraint(fields=["instance", "lid"], name="chat_lid_once"),
        ]
        indexes = [
            models.Index(fields=["instance", "-last_message_at"], name="chat_by_last_message"),
            # For the list over all instances.
            models.Index(fields=["-last_message_at", "-id"], name="chat_newest_first"),
        ]

    def __str__(self) -> str:
        return self.name or self.jid
