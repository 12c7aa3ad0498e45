"""One stored message."""

from django.db import models
from django.utils import timezone

from chats.models.chat import Chat
from instances.models import Instance


class Message(models.Model):
    """One message as WhatsApp brought it, with later edits and deletion applied.

    Unique by (instance, chat, sender, message id): the id alone is chosen by
    the sender's device and may stand in several chats.
    """

    class Kind(models.TextChoices):
        """What the message is."""

        TEXT = "text"
        IMAGE = "image"
        VIDEO = "video"
        AUDIO = "audio"
        VOICE = "voice"
        DOCUMENT = "document"
        STICKER = "sticker"
        CONTACT = "contact"
        LOCATION = "location"
        POLL = "poll"
        EVENT = "event"
        REACTION = "reaction"
        EDIT = "edit"
        DELETE = "delete"
        PIN = "pin"
        POLL_VOTE = "poll_vote"
        KEEP = "keep", "keep: a disappearing message is kept, or no longer"
        SYSTEM = "system"
        UNREADABLE = "unreadable"
        OTHER = "other"

    class Status(models.IntegerChoices):
        """How far a message of ours has come; it only ever grows.

        In a group: to one member at least, as nobody tells us who is in it.
        """

        SENT = 1
        DELIVERED = 2
        READ = 3
        PLAYED = 4

    # These act on another message (`target_id`) instead of saying something.
    ACTIONS = frozenset({Kind.REACTION, Kind.EDIT, Kind.DELETE, Kind.PIN, Kind.POLL_VOTE, Kind.KEEP})
    # These change it; reactions and votes only stand beside it.
    CHANGING = (Kind.EDIT, Kind.DELETE, Kind.PIN, Kind.KEEP)

    # No indexes of their own: the two below begin with these columns, and each
    # further one costs every message that comes in.
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="messages", db_index=False)
    chat = models.ForeignKey(Chat, on_delete=models.CASCADE, related_name="messages", db_index=False)
    # The phone number where it is known, else the LID.
    sender = models.CharField(max_length=64)
    message_id = models.CharField(max_length=128)
    from_me = models.BooleanField()
    sent_at = models.DateTimeField()
    stored_at = models.DateTimeField(default=timezone.now, editable=False)

    kind = models.CharField(max_length=12, choices=Kind.choices)
    text = models.TextField(blank=True, help_text="What a search looks in: text, caption, file name, poll options.")
    sender_name = models.CharField(max_length=200, blank=True)
    quoted_id = models.CharField(max_length=128, blank=True)
    # Of a reaction, edit, deletion, pin or vote: the id of the message it is about.
    target_id = models.CharField(max_length=128, blank=True)
    # Of ours alone; None when nothing is known of it.
    status = models.PositiveSmallIntegerField(choices=Status.choices, null=True, blank=True)
    edited_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    # Of a disappearing message that nobody keeps: from when the phones do not have it any more.
    disappears_at = models.DateTimeField(null=True, blank=True)
    # Of media: how to fetch and decrypt it. Of a pin: its duration. Of a disappearing message: its seconds.
    data = models.JSONField(default=dict, blank=True)

    # Chat and sender exactly as the stanza named them. A pin's key must repeat
    # these: the phones look the message up by the name they know it under.
    wire_chat = models.CharField(max_length=64)
    wire_sender = models.CharField(max_length=64)

    class Meta:
        constraints = [
            # In this order it finds a message by its id as well.
            models.UniqueConstraint(fields=["instance", "message_id", "chat", "sender"], name="message_once")
        ]
        indexes = [
            models.Index(fields=["chat", "-sent_at", "-id"], name="message_by_time"),
            models.Index(fields=["instance", "target_id"], name="message_by_target", condition=~models.Q(target_id="")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.message_id}"

    @property
    def gone(self) -> bool:
        """Whether the phones do not have it any more."""
        disappeared = self.disappears_at is not None and self.disappears_at <= timezone.now()
        return disappeared or self.deleted_at is not None

    @property
    def pinnable(self) -> bool:
        """Whether phones have it, and know pins where it stands."""
        return not self.gone and self.chat.kind in Chat.CONVERSATIONS

    @property
    def readable(self) -> int:
        """How much of it: 0 nothing, 1 who did what to which message, 2 all."""
        if self.kind == self.Kind.UNREADABLE:
            return 0
        return 1 if self.data.get("unread") else 2
