"""Which connector holds which instance: a lease in the database, with an epoch.

The epoch grows with every change of owner. Whatever a connector writes or
carries out for an instance names the epoch under which it holds it, so that a
former owner who wakes up late changes nothing.
"""

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from instances.models import Instance


def claim(owner: str, limit: int = 100) -> list[Instance]:
    """Take instances that nobody holds, or whose owner let the lease run out; at most `limit`."""
    now = timezone.now()
    free = Instance.objects.filter(Q(owner="") | Q(leased_until=None) | Q(leased_until__lt=now))
    return [instance for instance in list(free[:limit]) if _take(instance, owner, now)]


def reclaim(owner: str) -> list[Instance]:
    """Take up the instances of an earlier process of the same name, which is known to be dead."""
    now = timezone.now()
    return [instance for instance in list(Instance.objects.filter(owner=owner)) if _take(instance, owner, now)]


def renew(owner: str, held: dict[int, int]) -> set[int]:
    """Extend the leases on `held` (instance → epoch); returns the instances that are still ours."""
    Instance.objects.filter(owner=owner, pk__in=held).update(leased_until=timezone.now() + settings.LEASE)
    still = Instance.objects.filter(owner=owner, pk__in=held).values_list("pk", "epoch")
    return {pk for pk, epoch in still if held[pk] == epoch}


def release(owner: str, held: Iterable[int]) -> None:
    """Let instances go, for others to take at once."""
    Instance.objects.filter(owner=owner, pk__in=list(held)).update(owner="", leased_until=None)


def _take(instance: Instance, owner: str, now: datetime) -> bool:
    """Compare and swap: only one of several who try at once moves the epoch on."""
    taken = Instance.objects.filter(pk=instance.pk, epoch=instance.epoch).update(
        owner=owner, epoch=instance.epoch + 1, leased_until=now + settings.LEASE
    )
    if taken:
        instance.refresh_from_db()
    return bool(taken)
