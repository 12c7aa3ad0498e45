"""The way in, and the reader's settings."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from instances import access
from portal.views.page import signed_in


@signed_in
def home(request: HttpRequest) -> HttpResponse:
    """To the chats; to the instances while there is nothing to read."""
    linked = access.visible_to(request.user).exclude(jid="").exists()
    return redirect("chats" if linked else "instances")


@signed_in
def preferences(request: HttpRequest) -> HttpResponse:
    """Language, looks, password: what is the reader's own."""
    memberships = request.user.memberships.select_related("account").order_by("account__name")  # type: ignore[union-attr]
    return render(request, "portal/preferences.html", {"memberships": memberships})


@signed_in
def reference(request: HttpRequest) -> HttpResponse:
    """The API's description, to read and to try."""
    page = render(request, "portal/reference.html")
    # Swagger UI's style sheet has its icons written into it; scripts stay as strict as everywhere.
    page["Content-Security-Policy"] = f"{settings.CONTENT_SECURITY_POLICY}; img-src 'self' data:"
    return page
