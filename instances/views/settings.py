"""What an instance does by itself, changed on its page."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from instances import access, preferences, proxies
from instances.words import in_words
from portal import audit
from portal.views.page import signed_in


@sensitive_post_parameters("proxy", "proxy_password")
@require_POST
@signed_in
def settings(request: HttpRequest, uid: UUID) -> HttpResponse:
    """Save all of them, and apply what is new."""
    instance = access.find_instance(request.user, uid, manage=True)
    wanted = {field: field in request.POST for field in preferences.SWITCHES.values()}
    proxy, password = request.POST.get("proxy", "").strip(), request.POST.get("proxy_password", "")
    try:
        if (proxy, password) != (instance.proxy_url, ""):
            wanted |= preferences.proxy_changes(instance, proxy, password)
    except proxies.InvalidProxy as error:
        messages.error(request, _("Nothing was saved: %(reason)s") % {"reason": in_words(str(error))})
        return redirect("instance", uid=uid)
    changes = {field: value for field, value in wanted.items() if getattr(instance, field) != value}
    words = preferences.in_words(instance, changes)
    applied = preferences.change(instance, changes)
    audit.record(request.user, "instance settings changed", instance.name, account=instance.account, detail=words)
    if applied:
        messages.success(request, _("The settings are saved."))
    else:
        messages.success(request, _("The settings are saved. They hold from the next connection on."))
    return redirect("instance", uid=uid)
