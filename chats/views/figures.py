"""Pins in numbers: the page with its plots. `chats.views.export` has the same as a file."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from chats.figures import plot
from chats.selectors import figures as selectors
from instances import access
from portal.views.page import signed_in


def days_of(request: HttpRequest) -> int:
    """How many days are asked for."""
    wanted = request.GET.get("days", "")
    return next((days for days in selectors.DAYS if str(days) == wanted), 30)


@require_safe
@never_cache
@signed_in
def figures(request: HttpRequest) -> HttpResponse:
    """The page."""
    days = days_of(request)
    found = selectors.of(selectors.visible_to(request.user), days)
    words = {"done": _("pinned from here"), "elsewhere": _("pinned in WhatsApp"), "failed": _("failed"),
             "unknown": _("not confirmed")}  # fmt: skip
    most = max((row.total for row in (*found.people, *found.chats)), default=1)
    context = {
        "plot": plot(found.days),
        "legend": [(name, words[name], found.counts[name]) for name in selectors.OUTCOMES],
        "tables": [(_("By person"), found.people), (_("By chat"), found.chats)],
        "most": most,
        "days": days,
        "choices": selectors.DAYS,
        "may_export": bool(access.exportable(request.user)),
    }
    return render(request, "chats/figures.html", context)
