"""What our admin classes have in common: who may use them, and a line in the audit for each change."""

from typing import Any

from django.contrib.admin import ModelAdmin, RelatedFieldListFilter
from django.http import HttpRequest

from instances import access
from portal import audit


class HouseAdmin(ModelAdmin):  # type: ignore[type-arg]
    """For superusers alone: what concerns the whole house."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return access.is_superuser(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers."""
        return access.is_superuser(request.user)

    has_add_permission = has_module_permission
    has_change_permission = has_view_permission
    has_delete_permission = has_view_permission


class AccountScopedAdmin(ModelAdmin):  # type: ignore[type-arg]
    """For superusers, and for administrators of accounts within theirs. The model has an `account`."""

    def get_queryset(self, request: HttpRequest) -> Any:
        """What belongs to the accounts this person runs."""
        found = super().get_queryset(request)
        if access.is_superuser(request.user):
            return found
        return found.filter(account__in=access.administered(request.user))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whoever runs something."""
        return access.runs_something(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever runs the account."""
        if obj is None or access.is_superuser(request.user):
            return access.runs_something(request.user)
        return access.administered(request.user).filter(pk=obj.account_id).exists()

    has_add_permission = has_module_permission
    has_change_permission = has_view_permission

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: what was, stays on record."""
        return False


class OwnAccounts(RelatedFieldListFilter):
    """A list's filter by account, with the names of those that the reader runs: Django's has all there are."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        """Them."""
        own = {"pk__in": access.administered(request.user)}
        return field.get_choices(include_blank=False, limit_choices_to=own, ordering=("name",))


class Audited(ModelAdmin):  # type: ignore[type-arg]
    """Changes go into the portal's audit, beside Django's own log."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """One line."""
        self._record(request, obj, "made")
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """One line, with the names of what changed; their values may be secrets."""
        fields = [name for part in message if "changed" in part for name in part["changed"].get("fields", [])]
        self._record(request, obj, "changed", ", ".join(fields))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """One line each."""
        for obj in queryset:
            self._record(request, obj, "deleted")
        return super().log_deletions(request, queryset)

    def _record(self, request: HttpRequest, obj: Any, verb: str, detail: str = "") -> None:
        name = str(self.model._meta.verbose_name)
        # A deleted account cannot be pointed to; its name stands in the line.
        account = getattr(obj, "account", None) if verb != "deleted" else None
        audit.record(request.user, f"{name} {verb}"[:40], obj, account=account, detail=detail)
