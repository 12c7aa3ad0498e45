"""What of webhooks and their deliveries the API and the pages show."""

from uuid import UUID

from django.db.models import Count, Q, QuerySet

from instances.events.models import Delivery, Webhook
from instances.models import Instance


def webhooks_of(instance: Instance) -> QuerySet[Webhook]:
    """An instance's webhooks, each with how much is `waiting` for it and how much was `given_up`."""
    states = {"waiting": Delivery.State.PENDING, "given_up": Delivery.State.DEAD}
    return Webhook.objects.filter(instance=instance).annotate(
        **{name: Count("deliveries", filter=Q(deliveries__state=state)) for name, state in states.items()}
    )


def webhook_of(instance: Instance, uid: UUID) -> Webhook | None:
    """The one of them with this id."""
    found = webhooks_of(instance).filter(uid=uid).first()
    if found is not None:
        found.instance = instance
    return found


def deliveries_of(
    instance: Instance, *, webhook: Webhook | None = None, state: str = "", before: int | None = None, count: int = 50
) -> tuple[list[Delivery], bool]:
    """The deliveries of an instance or of one of its webhooks, the newest first; and whether there are more."""
    found = Delivery.objects.filter(webhook=webhook) if webhook else Delivery.objects.filter(webhook__instance=instance)
    if state:
        found = found.filter(state=state)
    if before is not None:
        found = found.filter(pk__lt=before)
    found = found.select_related("event", "webhook").prefetch_related("attempts").order_by("-pk")
    deliveries = list(found[: count + 1])
    return deliveries[:count], len(deliveries) > count
