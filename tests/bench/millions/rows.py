"""A fleet's rows, made by the database itself: instances of accounts of a hundred, spread over connectors."""

import uuid

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from instances.leases import Lease
from instances.models import Account, Connector, Instance, Membership
from instances.states import State

# What a connector was measured to hold (docs/fleet.md).
EACH = 500
ACCOUNT = 100
STORE = "shared"


def fill(instances: int) -> list[str]:
    """Fill an empty database; the connectors' names."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE instances_account, instances_connector, auth_user RESTART IDENTITY CASCADE")
        cursor.execute(
            "INSERT INTO instances_account (name, instance_quota, created_at)"
            " SELECT 'account ' || n, 1000, now() FROM generate_series(1, %s) n",
            [max(1, instances // ACCOUNT)],
        )
    names = [f"connector-{number:05}" for number in range(max(2, instances // EACH))]
    pattern = Instance(
        account=Account.objects.order_by("pk")[0], jid="5511999990001@s.whatsapp.net", lid="1002@lid",
        push_name="Ana's shop", linked_at=timezone.now(), last_seen_at=timezone.now(), state=State.CONNECTED,
        key_store=STORE, epoch=3, name="pattern",
    )  # fmt: skip
    pattern.save()
    # Neighbours in the table are of different connectors, as in life.
    changed = {
        "uid": "gen_random_uuid()",
        "account_id": f"1 + n %% {max(1, instances // ACCOUNT)}",
        "name": "'shop ' || n",
        "owner": f"'connector-' || lpad((n %% {len(names)})::text, 5, '0')",
    }
    columns = [str(field.column) for field in Instance._meta.concrete_fields if field.column != "id"]
    values = ", ".join(changed.get(column, f"p.{column}") for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO instances_instance ({', '.join(columns)})"  # names of our own
            f" SELECT {values} FROM instances_instance p, generate_series(1, %s) n WHERE p.id = %s",
            [instances, pattern.pk],
        )
    pattern.delete()
    now = timezone.now()
    held = {"held": {"": instances // len(names)}} if hasattr(Connector, "held") else {}
    Connector.objects.bulk_create(
        Connector(name=name, run=uuid.uuid4(), store=STORE, seen_at=now, **held) for name in names
    )
    people()
    settle()
    return names


def people() -> tuple[User, User]:
    """Who runs the house, and who runs one account of it."""
    users = get_user_model().objects
    root, _ = users.get_or_create(username="root", defaults={"is_superuser": True, "is_staff": True})
    ana, made = users.get_or_create(username="ana")
    if made:
        Membership.objects.create(user=ana, account=Account.objects.order_by("pk")[0], role="administrator")
    return root, ana


def settle() -> None:
    """Let the database know what it holds, as its autovacuum does in time."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE instances_instance")
        cursor.execute("VACUUM ANALYZE instances_connector")
        cursor.execute("VACUUM ANALYZE instances_account")


def lease_of(name: str) -> Lease:
    """The lease of one of these connectors, as if it had held its share for long."""
    lease = entered(name)
    mine = Instance.objects.filter(owner=name).values_list("pk", "epoch")
    lease.held = dict(mine)
    lease._kinds = dict.fromkeys(lease.held, "")
    lease.look_around()
    return lease


def entered(name: str) -> Lease:
    """It has its row, and holds nothing yet. Its clock stands still: nobody beats here, nor is buried."""
    lease = Lease(name, STORE, lambda: 0.0)
    Connector.objects.filter(name=name).update(run=lease.run)
    # What one of all does once a minute is measured by itself.
    lease._entered, lease._until, lease._claims = True, 1.0, 1
    return lease
