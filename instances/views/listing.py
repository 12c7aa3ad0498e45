"""All instances, and making one."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from instances import access, lifecycle, selectors
from portal import audit
from portal.letters import holds
from portal.views import typed
from portal.views.page import is_fragment, signed_in

PAGE = 200


@require_safe
@signed_in
def listing(request: HttpRequest) -> HttpResponse:
    """The list; as a fragment, its rows alone."""
    text = typed.words(request.GET.get("q", ""))
    found = selectors.listed(request.user)
    if text:
        found = found.filter(holds("name", text) | holds("jid", text))
    instances = list(found[: PAGE + 1])
    rates = selectors.messages_a_minute(instances)
    context = {
        "rows": [(instance, rates.get(instance.pk, 0)) for instance in instances[:PAGE]],
        "more": len(instances) > PAGE,
        "q": text,
        # The rows alone ask for them only where there are none: then it depends on them what is said.
        "accounts": access.administered(request.user).order_by("name")[:PAGE],
    }
    return render(request, "instances/_rows.html" if is_fragment(request) else "instances/list.html", context)


@require_POST
@signed_in
def new(request: HttpRequest) -> HttpResponse:
    """Make an instance, and go on to linking it."""
    accounts = access.administered(request.user)
    key = request.POST.get("account", "")
    account = get_object_or_404(accounts, pk=typed.key(key) or 0)
    try:
        instance = lifecycle.create(account, request.POST.get("name", ""))
    except lifecycle.CannotMake as error:
        messages.error(request, str(error))
        return redirect("instances")
    audit.record(request.user, "instance made", instance.name, account=account)
    messages.success(request, _("The instance is made. Now link a phone to it."))
    return redirect("instance", uid=instance.uid)
