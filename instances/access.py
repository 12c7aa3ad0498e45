"""Who may do what: the one place that decides, for pages, live news, search and the admin alike.

A superuser runs the house and may do everything. Everybody else is a member of
accounts: an administrator may do everything with the account's instances, an
operator may search, export and pin on those given to them, a viewer may search
and read there.
What somebody may not see does not exist for them: they get a 404, never a 403.
"""

from collections.abc import Container
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Case, OuterRef, Q, QuerySet, Subquery, Value, When
from django.http import Http404

from instances.models import Account, Instance, Membership

User = AbstractBaseUser | AnonymousUser
Role = Membership.Role

MAY_PIN = frozenset({Role.ADMINISTRATOR, Role.OPERATOR})
# A viewer is there to look. An export leaves the house, whole and in one go.
MAY_EXPORT = frozenset({Role.ADMINISTRATOR, Role.OPERATOR})


def is_superuser(user: User) -> bool:
    """Whether this person runs the house."""
    return bool(user.is_active and getattr(user, "is_superuser", False))


def role_of(user: User, account: str = "account", instance: str = "pk") -> Any:
    """An SQL expression: the role of `user` for the row's instance, NULL when they have none.

    `account` and `instance` name the row's columns that point to them.
    """
    # What was deleted is nobody's any more, although it may take a while until it is gone.
    stands = Q(**{"going_at" if instance == "pk" else f"{instance}__going_at": None})
    if is_superuser(user):
        return Case(When(stands, then=Value(Role.ADMINISTRATOR)))
    covers = Q(role=Role.ADMINISTRATOR) | Q(all_instances=True) | Q(instances=OuterRef(instance))
    mine = Membership.objects.filter(covers, user=user.pk if user.is_active else None, account=OuterRef(account))
    return Case(When(stands, then=Subquery(mine.values("role")[:1])))


def visible_to(user: User) -> QuerySet[Instance]:
    """The instances a person may see; each row carries their `role` there."""
    found = Instance.objects.annotate(role=role_of(user)).filter(role__isnull=False)
    if is_superuser(user):
        return found
    # The role is asked of each row: of those of their accounts, not of everybody's.
    return found.filter(account__in=Membership.objects.filter(user=user.pk).values("account"))


class Everything(Container[str]):
    """What holds whatever it is asked for."""

    def __contains__(self, _: object) -> bool:
        return True


def heard_of(user: User) -> Container[str]:
    """The instances (`uid` in hex) whose news a person hears: those that they may see.

    Who runs the house hears of all: a list of them would be a million names for
    each open page, read every few seconds.
    """
    if is_superuser(user):
        return Everything()
    return frozenset(uid.hex for uid in visible_to(user).values_list("uid", flat=True))


def find_instance(user: User, uid: Any, *, manage: bool = False) -> Instance:
    """An instance this person may see (or `manage`). Raises Http404."""
    instance = visible_to(user).select_related("account").filter(uid=uid).first()
    if instance is None or (manage and not may_manage(instance)):
        raise Http404
    return instance


def may_pin(row: Any) -> bool:
    """Whether the person for whom this row was found may pin on its instance."""
    return row.role in MAY_PIN


def exportable(user: User) -> list[Instance]:
    """The instances whose messages a person may take away in a file, with their accounts."""
    return [row for row in visible_to(user).select_related("account").order_by("name") if may_export(row)]


def may_export(row: Any) -> bool:
    """Whether the person for whom this row was found may take its instance's messages away in a file."""
    return row.role in MAY_EXPORT


def may_manage(row: Any) -> bool:
    """Whether the person for whom this row was found may link, disconnect and delete its instance."""
    return bool(row.role == Role.ADMINISTRATOR)


def administered(user: User) -> QuerySet[Account]:
    """The accounts a person runs."""
    if is_superuser(user):
        return Account.objects.all()
    if not user.is_active or user.pk is None:
        return Account.objects.none()
    return Account.objects.filter(
        pk__in=Membership.objects.filter(user=user.pk, role=Role.ADMINISTRATOR).values("account")
    )


def runs_something(user: User) -> bool:
    """Whether the administration has anything for this person."""
    return is_superuser(user) or administered(user).exists()


__all__ = [
    "Role",
    "administered",
    "exportable",
    "find_instance",
    "heard_of",
    "is_superuser",
    "may_export",
    "may_manage",
    "may_pin",
    "role_of",
    "runs_something",
    "visible_to",
]
