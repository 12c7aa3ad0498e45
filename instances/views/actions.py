"""Taking an instance off the air: disconnect, log out, delete."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from instances import access, lifecycle
from instances.whatsapp import service
from instances.whatsapp.errors import WhatsAppError
from instances.words import why_unchanged
from portal import audit
from portal.views.page import signed_in


@require_POST
@signed_in
def disconnect(request: HttpRequest, uid: UUID) -> HttpResponse:
    """Off the air; the phone keeps it linked."""
    instance = access.find_instance(request.user, uid, manage=True)
    try:
        service.disconnect(instance)
        audit.record(request.user, "instance disconnected", instance.name, account=instance.account)
    except WhatsAppError as error:
        messages.error(request, why_unchanged(error))
    return redirect("instance", uid=uid)


@require_POST
@signed_in
def log_out(request: HttpRequest, uid: UUID) -> HttpResponse:
    """Unlink the phone and delete the keys; messages stay."""
    instance = access.find_instance(request.user, uid, manage=True)
    if not confirmed(request, instance.name):
        return redirect("instance", uid=uid)
    try:
        service.logout(instance)
        audit.record(request.user, "instance logged out", instance.name, account=instance.account)
        messages.success(request, _("The phone is unlinked. The messages stay."))
    except WhatsAppError as error:
        messages.error(request, why_unchanged(error))
    return redirect("instance", uid=uid)


@require_POST
@signed_in
def delete(request: HttpRequest, uid: UUID) -> HttpResponse:
    """The instance and all that is stored of it."""
    instance = access.find_instance(request.user, uid, manage=True)
    if not confirmed(request, instance.name):
        return redirect("instance", uid=uid)
    try:
        lifecycle.delete(instance)
    except WhatsAppError as error:
        messages.error(request, why_unchanged(error))
        return redirect("instance", uid=uid)
    audit.record(request.user, "instance deleted", instance.name, account=instance.account)
    messages.success(request, _("“%(name)s” and all its messages are deleted.") % {"name": instance.name})
    return redirect("instances")


def confirmed(request: HttpRequest, name: str) -> bool:
    """Whether the name was typed, as what cannot be undone asks for."""
    if request.POST.get("name", "").strip() == name:
        return True
    messages.error(request, _("Nothing was done: the name you typed is not that of the instance."))
    return False
