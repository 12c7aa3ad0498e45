"""The admin site: who gets in, and where sign-in happens."""

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from instances import access


class PortalSite(AdminSite):
    """For superusers, and for administrators of accounts, who see what belongs to theirs."""

    site_header = _("Administration")
    site_title = _("Administration")
    index_title = _("Administration")
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether this person runs anything."""
        return request.user.is_authenticated and access.runs_something(request.user)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """One door for all: the portal's own sign-in, with its brake on guessing."""
        if request.user.is_authenticated:
            raise Http404
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """One form for all: the portal's own, which counts the tries and leaves a line in the audit."""
        return redirect("password")
