"""Accounts, their instances, and the tokens that open them."""

import uuid

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from instances.events.models import Attempt, Delivery, OutgoingEvent, Webhook
from instances.states import State, sentence

__all__ = [
    "MOST_KEEP_DAYS",
    "NAME_PATTERN",
    "Account",
    "Attempt",
    "Delivery",
    "Instance",
    "Membership",
    "OutgoingEvent",
    "Token",
    "Webhook",
    "valid_name",
]

# A name stands in URLs and file names of integrators, so no slash, no control
# character, and no blank at either end.
NAME_PATTERN = r"^[\w.-](?:[\w .-]{0,62}[\w.-])?\Z"
# A hundred years: no message is as old, and a date that many days back can still be reckoned.
MOST_KEEP_DAYS = 36_500
valid_name = RegexValidator(NAME_PATTERN, "Use up to 64 letters, digits, dots, hyphens, underscores and inner spaces.")


class Account(models.Model):
    """Who owns instances: a company or a team."""

    name = models.CharField(max_length=100, unique=True)
    instance_quota = models.PositiveIntegerField(default=100, help_text="How many instances this account may have.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.name


class StandingInstances(models.Manager["Instance"]):
    """All but those that are being deleted."""

    def get_queryset(self) -> models.QuerySet["Instance"]:
        """Without them."""
        return super().get_queryset().filter(going_at=None)


class Instance(models.Model):
    """One linked WhatsApp account."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="instances")
    name = models.CharField(max_length=64, validators=[valid_name])
    # Names the instance on NATS subjects and its session file; never reused.
    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    # False: a person disconnected it, and it stays so through restarts.
    wanted = models.BooleanField(default=True)
    state = models.CharField(max_length=16, choices=State.choices, default=State.UNLINKED)
    state_detail = models.CharField(max_length=300, blank=True, help_text="WhatsApp's own reason, if it gave one.")
    state_at = models.DateTimeField(default=timezone.now)
    banned_until = models.DateTimeField(null=True, blank=True)

    # The linked WhatsApp account; empty while no phone is linked.
    jid = models.CharField(max_length=64, blank=True)
    lid = models.CharField(max_length=64, blank=True)
    push_name = models.CharField(max_length=200, blank=True)
    linked_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True, help_text="When WhatsApp last said something.")

    # From 1 to MOST_KEEP_DAYS; any other number deletes nothing.
    keep_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="Messages older than this many days are deleted. Empty: they are kept."
    )

    # The kinds of events that some webhook wants, with blanks between: whoever
    # changes something knows from the row in hand whether to write an event.
    wanted_events = models.CharField(max_length=200, blank=True, default="", editable=False)
    # When it was deleted: from then on it can be seen nowhere, while `chats.removal` takes away what is stored of it.
    going_at = models.DateTimeField(null=True, editable=False)

    # What it does by itself: `instances.preferences` changes these.
    reject_calls = models.BooleanField(default=False)
    ignore_groups = models.BooleanField(default=False)
    keep_online = models.BooleanField(default=False)
    read_automatically = models.BooleanField(default=False)
    # Through which proxy it reaches WhatsApp; empty: as this machine does.
    proxy_url = models.CharField(max_length=300, blank=True)
    # Must be told to the proxy, hence no hash; shown to nobody.
    proxy_password = models.CharField(max_length=200, blank=True, editable=False)

    # How much of the phone's history is here, as the phone counts it.
    history_percent = models.PositiveSmallIntegerField(null=True, blank=True)
    history_at = models.DateTimeField(null=True, blank=True)

    # Which connector holds the connection, and under which epoch, which grows
    # with every change of owner (`instances.leases`).
    owner = models.CharField(max_length=300, blank=True, default="")
    epoch = models.PositiveBigIntegerField(default=0)
    # Where the device's keys lie: only connectors that reach that place can
    # hold the connection. Empty: there are none yet.
    key_store = models.CharField(max_length=64, blank=True, default="", editable=False)
    # Only connectors that have all of these hold it (`instances.labels`).
    labels = models.CharField(max_length=200, blank=True, default="", editable=False)

    objects = StandingInstances()
    # For who removes what was deleted.
    every = models.Manager["Instance"]()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "name"], name="instance_name_once_an_account")]
        indexes = [
            models.Index(fields=["owner"], name="instance_owner"),
            # What each connector asks for all the time: few of a million, or none.
            models.Index(fields=["labels"], name="instance_free", condition=models.Q(owner="", going_at=None)),
            models.Index(fields=["going_at"], name="instance_going", condition=models.Q(going_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def linked(self) -> bool:
        """Whether a phone is linked, connected or not."""
        return bool(self.jid)

    @property
    def sentence(self) -> str:
        """What the state means and what to do, for people."""
        return sentence(self.state, self.state_detail)


class HistoryPiece(models.Model):
    """A piece of the phone's history that waits to be taken in (`instances.whatsapp.pieces`)."""

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="+")
    payload = models.BinaryField()
    # Who was linked when it came. Empty: an earlier version of the portal did not say.
    own_jid = models.CharField(max_length=64, default="", db_default="")
    own_lid = models.CharField(max_length=64, default="", db_default="")
    damaged = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.instance_id}: {self.pk}"


class Connector(models.Model):
    """A process that holds connections, for as long as it gives signs of life (`instances.leases`)."""

    name = models.CharField(max_length=300, primary_key=True)
    # Of one process: the next one of the same name has another.
    run = models.UUIDField()
    beat = models.PositiveBigIntegerField(default=0)
    store = models.CharField(max_length=64, help_text="Names the place of the keys that it can read.")
    labels = models.CharField(max_length=200, blank=True, default="")
    draining = models.BooleanField(default=False)
    # How many instances it holds, by their labels: the others reckon their shares from that, and count no instances.
    # None: a version of the portal that does not say.
    held = models.JSONField(null=True, editable=False)
    # For people. Nobody decides by it: clocks differ.
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class Token(models.Model):
    """A secret that opens one instance, or an account with all its instances.

    Only a keyed hash is kept: `instances.tokens` makes and finds tokens.
    """

    class Scope(models.TextChoices):
        """What the holder may do there."""

        FULL = "full", _("Everything")
        PIN = "pin", _("Pin only")
        READ = "read", _("Read only")

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="tokens")
    # None: a TokenAccount. Else a TokenInstance for this instance alone.
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, null=True, blank=True, related_name="tokens")
    label = models.CharField(max_length=100, blank=True)
    prefix = models.CharField(max_length=12, help_text="The visible start, by which a person recognises it.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    scope = models.CharField(
        max_length=4,
        choices=Scope.choices,
        default=Scope.FULL,
        help_text=_("Everything; only pin and unpin; or only read chats, messages and pins."),
    )
    # The token that takes this one's place; both are good for a while (`tokens.rotate`).
    successor = models.OneToOneField(
        "self", on_delete=models.SET_NULL, null=True, blank=True, editable=False, related_name="predecessor"
    )

    def __str__(self) -> str:
        return f"{self.label or 'token'} ({self.prefix}…)"

    @property
    def usable(self) -> bool:
        """Neither revoked nor expired."""
        if self.revoked_at is not None:
            return False
        return self.expires_at is None or self.expires_at > timezone.now()


class Membership(models.Model):
    """A person's role in an account, and the instances it is for. `instances.access` gives it its meaning."""

    class Role(models.TextChoices):
        """What a member may do."""

        ADMINISTRATOR = "administrator", _("Administrator")
        OPERATOR = "operator", _("Operator")
        VIEWER = "viewer", _("Viewer")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(
        max_length=13,
        choices=Role.choices,
        default=Role.OPERATOR,
        help_text=_(
            "Administrators run the account and all its instances; operators search and pin; viewers search only."
        ),
    )
    all_instances = models.BooleanField(
        default=False, help_text=_("All instances of the account, also those that are added later.")
    )
    instances = models.ManyToManyField(
        Instance, blank=True, related_name="memberships", help_text=_("Only these, unless all are ticked above.")
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "account"], name="member_once_an_account")]

    def __str__(self) -> str:
        return f"{self.user} · {self.account}"
