"""The export of a search, from its page."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from chats.export import FORMATS, ExportBusy, begin
from chats.search import parse
from instances import access
from portal import audit
from portal.rest import rate
from portal.views.page import signed_in


@require_GET
@signed_in
def export(request: HttpRequest) -> HttpResponseBase:
    """The file: what the search finds in the instances this person may export."""
    text = request.GET.get("q", "")
    query, kind = parse(text), request.GET.get("format", "csv")
    found = access.visible_to(request.user).select_related("account").order_by("name")
    instances = [instance for instance in found if access.may_export(instance)]
    if not instances:
        return _refusal(403, _("You may search here, but not export. Ask an administrator for it."))
    if not query or kind not in FORMATS:
        return _refusal(400, _("Search for something first."))
    if rate.count(request, f"user:{request.user.pk}", settings.EXPORT_RATE, group="export").over:
        return _refusal(429, _("Those were many exports. Try again in a minute."))

    def note(total: int) -> None:
        for account in {instance.account for instance in instances}:
            names = ", ".join(instance.name for instance in instances if instance.account == account)
            detail = f"{total} as {kind}: {text}"
            audit.record(request.user, "messages exported", names, account=account, detail=detail)

    try:
        return begin(instances, query, kind, note)
    except ExportBusy as error:
        return _refusal(503, _(str(error)))


def _refusal(status: int, sentence: str) -> HttpResponse:
    return HttpResponse(sentence, status=status, content_type="text/plain; charset=utf-8")
