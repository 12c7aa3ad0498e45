"""The rules of webhooks, for the API and the pages alike: adding, changing, sending again."""

from collections.abc import Iterable
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop as _  # marks for translation; pages translate

from instances.events import networks, outbox, signing
from instances.events.kinds import KINDS, TEST, Event
from instances.events.models import Delivery, OutgoingEvent, Webhook
from instances.models import Instance

MOST = 20
LONGEST_URL = 2000
# A test that nobody could deliver by then is over.
TEST_LASTS = timedelta(minutes=5)


class CannotChange(Exception):
    """Nothing was changed; the text is for people."""


class InvalidUrl(CannotChange):
    """No webhook may have this address."""


class InvalidEvents(CannotChange):
    """The chosen events are none, or some are unknown."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "Choose at least one event: message.exchange, message.status, instance.state, group.flow, "
                "message.pin, pin.batch, pin.rule or pin.schedule."
            )
        )


class TooMany(CannotChange):
    """The instance has all the webhooks it may have."""

    def __init__(self) -> None:
        super().__init__(_("This instance has all the webhooks it may have. Delete one first."))


class Paused(CannotChange):
    """A test would wait until somebody lets the webhook go on."""

    def __init__(self) -> None:
        super().__init__(_("This webhook is paused: nothing is sent to it. Let it go on first."))


def add(instance: Instance, url: str, events: Iterable[str]) -> tuple[Webhook, str]:
    """Make a webhook; the second value is its secret, to be shown this once. Raises CannotChange."""
    webhook = Webhook(instance=instance, url=checked_url(url), events=_checked_events(events), salt=signing.new_salt())
    with transaction.atomic():
        _lock(instance)
        if instance.webhooks.count() >= MOST:
            raise TooMany
        webhook.save()
        _note_wanted(instance)
    return webhook, signing.secret(webhook)


def change(
    webhook: Webhook, *, url: str | None = None, events: Iterable[str] | None = None, active: bool | None = None
) -> None:
    """Give it another address or other events, pause it or let it go on. Raises CannotChange."""
    if url is not None:
        webhook.url = checked_url(url)
    if events is not None:
        webhook.events = _checked_events(events)
    if active is not None:
        webhook.active = active
    # Whoever changes it believes that it works now.
    webhook.failures, webhook.resting_until = 0, None
    with transaction.atomic():
        _lock(webhook.instance)
        webhook.save(update_fields=["url", "events", "active", "failures", "resting_until"])
        _note_wanted(webhook.instance)
        transaction.on_commit(outbox.wake)


def delete(webhook: Webhook) -> None:
    """Delete it with its log, and what is still under way to it."""
    with transaction.atomic():
        _lock(webhook.instance)
        webhook.delete()
        _note_wanted(webhook.instance)


def rotate(webhook: Webhook) -> str:
    """Make a new secret, to be shown this once; those before sign too, each for another while."""
    with transaction.atomic():
        _lock(webhook.instance)
        webhook.refresh_from_db(fields=["salt", "old_salt", "old_until", "older_salts"])
        # Who lost the answer asks again, and the receiver goes by the secret before both.
        webhook.older_salts = signing.former_salts(webhook)
        webhook.old_salt, webhook.old_until = webhook.salt, timezone.now() + signing.OVERLAP
        webhook.salt = signing.new_salt()
        webhook.save(update_fields=["salt", "old_salt", "old_until", "older_salts"])
    return signing.secret(webhook)


def test(webhook: Webhook) -> Delivery:
    """Send a test event by the way all events go. What comes of it stands in the log. Raises Paused."""
    if not webhook.active:
        raise Paused
    now = timezone.now()
    event = Event(webhook.instance, TEST, f"{webhook.uid}:{now.isoformat()}", {"message": "It works."}, at=now)
    with transaction.atomic():
        row = OutgoingEvent.objects.create(
            instance=webhook.instance, uid=event.uid, kind=TEST, at=now, body=event.body, handed_out=True
        )
        delivery = Delivery.objects.create(webhook=webhook, event=row, due_at=now, give_up_at=now + TEST_LASTS)
        # It is to be tried now, also at an address that has failed before.
        Webhook.objects.filter(pk=webhook.pk).update(resting_until=None)
        transaction.on_commit(outbox.wake)
    return delivery


def resend(deliveries: QuerySet[Delivery]) -> int:
    """Send deliveries that are settled on their way once more, with the same ids; returns how many."""
    now = timezone.now()
    with transaction.atomic():
        count = deliveries.exclude(state=Delivery.State.PENDING).update(
            state=Delivery.State.PENDING, due_at=now, give_up_at=now + settings.WEBHOOK_RETRY, tries=0, settled_at=None
        )
        transaction.on_commit(outbox.wake)
    return count


def checked_url(url: str) -> str:
    """The address, fit to be sent to. Raises InvalidUrl."""
    url = url.strip()
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidUrl(_("The address must be at most 2000 ASCII characters without blanks."))
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits:
        raise InvalidUrl(_("The address must begin with https:// or http:// and name a host."))
    if "@" in parts.netloc:
        raise InvalidUrl(_("The address must hold no user name or password: the signature tells who sends."))
    try:
        networks.check_literal(parts.hostname or "")
    except networks.NotAllowed as error:
        raise InvalidUrl(str(error)) from None
    except UnicodeError:
        raise InvalidUrl(_("The address's host is none: between its dots stand 1 to 63 characters.")) from None
    return parts._replace(fragment="").geturl()


def _checked_events(events: Iterable[str]) -> list[str]:
    chosen = list(events)
    if not chosen or set(chosen) - set(KINDS):
        raise InvalidEvents
    return [kind for kind in KINDS if kind in chosen]


def _lock(instance: Instance) -> None:
    """Two who change webhooks of one instance at once would each note only their own."""
    Instance.objects.select_for_update().get(pk=instance.pk)


def _note_wanted(instance: Instance) -> None:
    wanted = {kind for events in instance.webhooks.values_list("events", flat=True) for kind in events}
    instance.wanted_events = " ".join(kind for kind in KINDS if kind in wanted)
    Instance.objects.filter(pk=instance.pk).update(wanted_events=instance.wanted_events)
