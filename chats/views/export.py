"""Files from the pages: a search, all pins, and their figures."""

import csv
import io

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe

from chats.export import FORMATS, ExportBusy, Placed, begin
from chats.export.formats import BOM, END, cell
from chats.export.pins import as_csv
from chats.search import parse
from chats.selectors import figures as numbers
from chats.selectors.pins import visible_to, walk
from chats.views.figures import days_of
from instances import access
from instances.models import Instance
from portal import audit
from portal.rest import rate
from portal.views.page import signed_in

CSV = "text/csv; charset=utf-8"


@require_GET
@signed_in
def export(request: HttpRequest) -> HttpResponseBase:
    """The file: what the search finds in the instances this person may export."""
    text = request.GET.get("q", "")
    query, kind = parse(text), request.GET.get("format", "csv")
    instances = access.exportable(request.user)
    if refusal := _refused(request, instances, searched=bool(query) and kind in FORMATS):
        return refusal

    def note(total: int) -> None:
        _note(request, "messages exported", instances, f"{total} as {kind}: {text}")

    try:
        return begin(instances, query, kind, note)
    except ExportBusy as error:
        return _refusal(503, _(str(error)))


@require_safe
@never_cache
@signed_in
def pins(request: HttpRequest) -> HttpResponseBase:
    """Every pin, in whatever state, of the instances this person may export, as a file for spreadsheets."""
    instances = access.exportable(request.user)
    if refusal := _refused(request, instances):
        return refusal
    found = visible_to(request.user).filter(message__instance__in=[instance.pk for instance in instances])
    try:
        pieces = Placed(as_csv(walk(found)))
    except ExportBusy as error:
        return _refusal(503, _(str(error)))
    try:
        _note(request, "pins exported", instances, "")
    except BaseException:
        pieces.close()
        raise
    return StreamingHttpResponse(pieces, content_type=CSV, headers=_saved_as("pins"))


@require_safe
@never_cache
@signed_in
def figures(request: HttpRequest) -> HttpResponseBase:
    """What the page of figures shows, of the instances this person may export, for spreadsheets."""
    instances = access.exportable(request.user)
    if refusal := _refused(request, instances):
        return refusal
    _note(request, "figures exported", instances, "")
    mine = numbers.visible_to(request.user).filter(pin__message__instance__in=[instance.pk for instance in instances])
    lines = io.StringIO(newline="")
    rows = numbers.as_rows(numbers.of(mine, days_of(request)))
    csv.writer(lines, lineterminator=END).writerows([cell(value) for value in row] for row in rows)
    return HttpResponse(
        BOM + lines.getvalue(),
        content_type=CSV,
        headers=_saved_as("pin-figures"),
    )


def _refused(request: HttpRequest, instances: list[Instance], *, searched: bool = True) -> HttpResponse | None:
    """Why there is no file, if there is none; else it counts as one taken away."""
    if not instances:
        return _refusal(403, _("You may search here, but not export. Ask an administrator for it."))
    if not searched:
        return _refusal(400, _("Search for something first."))
    if rate.count(request, f"user:{request.user.pk}", settings.EXPORT_RATE, group="export").over:
        return _refusal(429, _("Those were many exports. Try again in a minute."))
    return None


def _saved_as(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}-{timezone.localdate():%Y-%m-%d}.csv"'}


def _note(request: HttpRequest, action: str, instances: list[Instance], detail: str) -> None:
    """One line of the audit an account."""
    for account in {instance.account for instance in instances}:
        names = ", ".join(instance.name for instance in instances if instance.account == account)
        audit.record(request.user, action, names, account=account, detail=detail)


def _refusal(status: int, sentence: str) -> HttpResponse:
    return HttpResponse(sentence, status=status, content_type="text/plain; charset=utf-8")
