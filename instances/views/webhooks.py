"""An instance's webhooks: adding, pausing, the log, sending again."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from instances import access
from instances.events import reading, webhooks
from instances.events.kinds import KINDS
from instances.events.models import Delivery, Webhook
from instances.models import Instance
from portal import audit
from portal.views import typed
from portal.views.page import signed_in

PAGE = 50


@require_safe
@never_cache
@signed_in
def listing(request: HttpRequest, uid: UUID) -> HttpResponse:
    """All of an instance, and the form for another."""
    return _listed(request, access.find_instance(request.user, uid, manage=True))


@require_POST
@never_cache
@signed_in
def add(request: HttpRequest, uid: UUID) -> HttpResponse:
    """Make one; its secret is in the answer to this request, and nowhere else."""
    instance = access.find_instance(request.user, uid, manage=True)
    try:
        made, secret = webhooks.add(instance, request.POST.get("url", ""), request.POST.getlist("events"))
    except webhooks.CannotChange as error:
        messages.error(request, _(str(error)))
        return redirect("webhooks", uid=uid)
    _note(request, "webhook added", made)
    return _listed(request, instance, secret=secret)


@require_safe
@never_cache
@signed_in
def log(request: HttpRequest, uid: UUID, hook: UUID) -> HttpResponse:
    """What became of each event; `?state=dead` is what was given up."""
    webhook = _find(request, uid, hook)
    state = request.GET.get("state", "")
    deliveries, more = reading.deliveries_of(
        webhook.instance,
        webhook=webhook,
        state=state if state in Delivery.State.values else "",
        before=typed.key(request.GET.get("before", "")),
        count=PAGE,
    )
    context = {"webhook": webhook, "instance": webhook.instance, "deliveries": deliveries, "more": more}
    return render(request, "instances/webhook.html", {**context, "state": state})


@require_POST
@never_cache
@signed_in
def act(request: HttpRequest, uid: UUID, hook: UUID) -> HttpResponse:
    """Pause, go on, test, rotate, send again or delete, as `do` says."""
    webhook = _find(request, uid, hook)
    wanted = request.POST.get("do", "")
    if wanted in ("pause", "resume"):
        webhooks.change(webhook, active=wanted == "resume")
        _note(request, "webhook changed", webhook)
    elif wanted == "test":
        _test(request, webhook)
        return redirect("webhook", uid=uid, hook=hook)
    elif wanted == "rotate":
        secret = webhooks.rotate(webhook)
        _note(request, "webhook secret rotated", webhook)
        return _listed(request, webhook.instance, secret=secret)
    elif wanted == "resend":
        _resend(request, webhook)
        return redirect("webhook", uid=uid, hook=hook)
    elif wanted == "delete":
        webhooks.delete(webhook)
        _note(request, "webhook deleted", webhook)
    return redirect("webhooks", uid=uid)


def _test(request: HttpRequest, webhook: Webhook) -> None:
    try:
        webhooks.test(webhook)
    except webhooks.Paused as error:
        messages.error(request, _(str(error)))
        return
    _note(request, "webhook tested", webhook)
    messages.success(request, _("A test event is on its way. Its outcome appears in the log."))


def _resend(request: HttpRequest, webhook: Webhook) -> None:
    chosen = request.POST.get("delivery", "")
    found = webhook.deliveries.filter(state=Delivery.State.DEAD)
    if chosen:
        found = webhook.deliveries.filter(pk=typed.key(chosen) or 0)
    count = webhooks.resend(found)
    _note(request, "webhook events sent again", webhook)
    messages.success(request, _("%(count)d on their way again.") % {"count": count})


def _find(request: HttpRequest, uid: UUID, hook: UUID) -> Webhook:
    webhook = reading.webhook_of(access.find_instance(request.user, uid, manage=True), hook)
    if webhook is None:
        raise Http404
    return webhook


def _listed(request: HttpRequest, instance: Instance, **more: Any) -> HttpResponse:
    context = {"instance": instance, "webhooks": list(reading.webhooks_of(instance)), "kinds": KINDS}
    return render(request, "instances/webhooks.html", {**context, **more})


def _note(request: HttpRequest, action: str, webhook: Webhook) -> None:
    instance = webhook.instance
    audit.record(request.user, action, instance.name, account=instance.account, detail=webhook.url)
