"""Who holds an instance: one connector at a time, and a late one changes nothing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from instances import leases
from instances.models import Account, Instance


@pytest.fixture
def instance(db: None) -> Instance:
    return Instance.objects.create(account=Account.objects.create(name="Alice"), name="shop")


def expire(instance: Instance) -> None:
    Instance.objects.filter(pk=instance.pk).update(leased_until=timezone.now() - timedelta(seconds=1))


def test_it_works(instance: Instance) -> None:
    (mine,) = leases.claim("one")
    assert (mine.pk, mine.owner, mine.epoch) == (instance.pk, "one", 1)
    assert leases.renew("one", {mine.pk: mine.epoch}) == {mine.pk}


def test_a_held_instance_is_not_claimed(instance: Instance) -> None:
    leases.claim("one")
    assert leases.claim("two") == []


def test_a_lease_that_ran_out_goes_to_another_with_a_new_epoch(instance: Instance) -> None:
    leases.claim("one")
    expire(instance)
    (taken,) = leases.claim("two")
    assert (taken.owner, taken.epoch) == ("two", 2)
    assert leases.renew("one", {instance.pk: 1}) == set(), "the former owner wakes up, and knows"
    instance.refresh_from_db()
    assert instance.owner == "two"


def test_a_restarted_connector_takes_up_its_own_at_once(instance: Instance) -> None:
    leases.claim("one")
    (again,) = leases.reclaim("one")
    assert again.epoch == 2
    assert leases.renew("one", {instance.pk: 1}) == set(), "the dead process's epoch is over"
    assert leases.reclaim("two") == []


def test_a_released_instance_is_free(instance: Instance) -> None:
    leases.claim("one")
    leases.release("two", [instance.pk])
    assert leases.claim("two") == [], "nobody releases another's"
    leases.release("one", [instance.pk])
    assert len(leases.claim("two")) == 1


def test_of_two_who_claim_at_once_one_wins(instance: Instance) -> None:
    seen_by_both = Instance.objects.get()
    now = timezone.now()
    assert leases._take(Instance.objects.get(), "one", now)
    assert not leases._take(seen_by_both, "two", now)
