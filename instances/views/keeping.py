"""For how many days messages are kept, set on the instance's page.

A form of its own: what it does cannot be undone, and must not hang on a box
somewhere else on the page.
"""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from instances import access, keeping, preferences
from instances.models import Instance
from instances.views.actions import confirmed
from portal import audit
from portal.views.page import signed_in


@require_POST
@signed_in
def keep(request: HttpRequest, uid: UUID) -> HttpResponse:
    """Save it; where messages that are there now would go, only when the name was typed, which the page asks for."""
    instance = access.find_instance(request.user, uid, manage=True)
    try:
        days = keeping.days_in(request.POST.get("keep_days", ""))
    except ValueError:
        words = _("Nothing was saved: write a whole number of days from 1 to %(most)s, or none at all.")
        messages.error(request, words % {"most": keeping.MOST_KEEP_DAYS})
        return redirect("instance", uid=uid)
    if keeping.would_delete(instance, days):
        asking = f"{resolve_url('instance', uid=uid)}?{urlencode({'keep_days': days})}"
        if "name" not in request.POST:
            return redirect(f"{asking}#keeping")
        if not confirmed(request, instance.name):
            return redirect(asking)
    if days != instance.keep_days:
        words = preferences.in_words(instance, {"keep_days": days})
        preferences.change(instance, {"keep_days": days})
        audit.record(request.user, "instance settings changed", instance.name, account=instance.account, detail=words)
    messages.success(request, _("The settings are saved."))
    return redirect("instance", uid=uid)


def context_of(request: HttpRequest, instance: Instance) -> dict[str, Any]:
    """What the form needs; and for the days in the page's address, how many messages would go."""
    form: dict[str, Any] = {"most_days": keeping.MOST_KEEP_DAYS}
    try:
        days = keeping.days_in(request.GET.get("keep_days", ""))
    except ValueError:
        return form
    older = keeping.would_delete(instance, days)
    return form | {"asked_days": days, "older": min(older, keeping.COUNTED), "many": older > keeping.COUNTED}
