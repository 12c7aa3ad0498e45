"""One instance: its state in words, and linking a phone to it."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from instances import access, qr
from instances.models import Instance
from instances.states import SENTENCES, State
from instances.views import keeping
from instances.whatsapp import service
from instances.whatsapp.errors import WhatsAppError
from instances.words import why_unchanged
from portal import audit
from portal.views.page import signed_in

# States in which linking anew is what helps.
UNLINKED = (State.UNLINKED, State.LOGGED_OUT)


def context_of(instance: Instance) -> dict[str, object]:
    """What the state panel needs."""
    return {
        "instance": instance,
        "sentence": SENTENCES[instance.state],
        "manages": access.may_manage(instance),
        "unlinked": instance.state in UNLINKED,
        "linking": instance.state == State.LINKING,
        "connected": instance.state == State.CONNECTED,
    }


@require_safe
@signed_in
def detail(request: HttpRequest, uid: UUID) -> HttpResponse:
    """The page."""
    instance = access.find_instance(request.user, uid)
    context = {**context_of(instance), **_code(instance)}
    if context["manages"]:
        context |= keeping.context_of(request, instance)
    return render(request, "instances/detail.html", context)


@require_safe
@never_cache
@signed_in
def panel(request: HttpRequest, uid: UUID) -> HttpResponse:
    """The state as it is now."""
    instance = access.find_instance(request.user, uid)
    return render(request, "instances/_panel.html", {**context_of(instance), **_code(instance)})


@require_safe
@never_cache
@signed_in
def code(request: HttpRequest, uid: UUID) -> HttpResponse:
    """The QR code of this moment, while the instance is being linked."""
    instance = access.find_instance(request.user, uid, manage=True)
    return render(request, "instances/_qr.html", {"instance": instance, **_code(instance)})


def _code(instance: Any) -> dict[str, object]:
    """The picture to scan, for who may; it is there as soon as the state is "linking"."""
    if instance.state != State.LINKING or not access.may_manage(instance):
        return {}
    try:
        text = service.connect(instance).qr
    except WhatsAppError as trouble:
        return {"error": why_unchanged(trouble)}
    return {"drawn": qr.svg(text) if text else None}


@require_POST
@signed_in
def connect(request: HttpRequest, uid: UUID) -> HttpResponse:
    """Begin to link, or connect again; answers with the panel."""
    instance = access.find_instance(request.user, uid, manage=True)
    error, drawn = "", None
    try:
        link = service.connect(instance)
        drawn = qr.svg(link.qr) if link.qr else None
        audit.record(request.user, "instance connected", instance.name, account=instance.account)
    except WhatsAppError as trouble:
        error = why_unchanged(trouble)
    instance.refresh_from_db(fields=["state", "state_detail", "jid", "wanted"])
    return render(request, "instances/_panel.html", {**context_of(instance), "error": error, "drawn": drawn})


@require_POST
@signed_in
def pairing_code(request: HttpRequest, uid: UUID) -> HttpResponse:
    """A code to type into the phone."""
    instance = access.find_instance(request.user, uid, manage=True)
    phone = "".join(filter(str.isdecimal, request.POST.get("phone", "")))
    found, error = "", ""
    if not 7 <= len(phone) <= 15:
        error = _("Write the number in international form, as in +55 11 99999-9999.")
    else:
        try:
            found = service.pairing_code(instance, phone)
            audit.record(request.user, "pairing code asked for", instance.name, account=instance.account)
        except WhatsAppError as trouble:
            error = why_unchanged(trouble)
    context = {"instance": instance, "code": found, "error": error, "phone": phone}
    return render(request, "instances/_pairing.html", context)
