"""Users and the audit in the administration."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from instances.admin import MembershipInline
from portal.administration.base import AccountScopedAdmin, Audited, HouseAdmin, OwnAccounts
from portal.models import AuditLine

User = get_user_model()
# Roles are memberships here; Django's groups and single permissions would be a second, contradicting answer.
admin.site.unregister(Group)
admin.site.unregister(User)


@admin.register(User)
class PersonAdmin(Audited, HouseAdmin, UserAdmin):  # type: ignore[type-arg]
    """People who sign in."""

    list_display = ("username", "first_name", "last_name", "is_superuser", "is_active", "last_login")
    list_filter = ("is_superuser", "is_active", "memberships__role")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": ("first_name", "last_name", "email")}),
        (_("Rights"), {"fields": ("is_active", "is_superuser")}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("username", "usable_password", "password1", "password2")}),
    )
    readonly_fields = ("last_login", "date_joined")
    filter_horizontal = ()
    inlines = (MembershipInline,)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """A person has to be there before they can be a member."""
        return self.inlines if obj else ()


@admin.register(AuditLine)
class AuditAdmin(AccountScopedAdmin):
    """What happened, to be looked through and never changed."""

    list_display = ("at", "actor", "action", "target", "detail", "account")
    list_filter = ("action", ("account", OwnAccounts))
    search_fields = ("actor", "action", "target", "detail", "=request_id")
    date_hierarchy = "at"
    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The portal writes it."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False
