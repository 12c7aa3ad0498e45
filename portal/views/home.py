"""The way in, and the reader's settings."""

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
