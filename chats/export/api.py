"""The REST endpoint that exports a search."""

from typing import ClassVar

from django.http.response import HttpResponseBase
from rest_framework.request import Request

from chats import search
from chats.export import FORMATS, ExportBusy, begin, described
from portal import audit
from portal.rest.query import InvalidParameter, Parameters
from portal.rest.views import InstanceView


class ExportSearch(InstanceView):
    """GET /api/chat/export/:instance: all hits of a search in one file."""

    own_rate: ClassVar[str | None] = "EXPORT_RATE"
    statuses = {ExportBusy: 503}

    @described.EXPORT
    def get(self, request: Request, name: str) -> HttpResponseBase:
        """Answer with the file, written while it is read."""
        parameters = Parameters(request)
        text = parameters.text("q")
        kind = parameters.choice("format", tuple(FORMATS))
        if not text:
            raise InvalidParameter("q is required: what to search for")

        def note(total: int) -> None:
            audit.record_token(self.token, "messages exported", self.instance, detail=f"{total} as {kind}: {text}")

        return begin([self.instance], search.parse(text), kind, note)
