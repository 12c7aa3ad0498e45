"""The REST endpoint of what an instance does by itself; the rules are in `instances.preferences`."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from instances import described, keeping, preferences, proxies
from instances.models import Instance
from portal import audit
from portal.rest.body import Fields, read_fields
from portal.rest.errors import BUSY, ApiError, InvalidBody
from portal.rest.query import Parameters
from portal.rest.views import InstanceView

# Seconds. A name's server that does not answer is given up after ten, about.
RETRY_AFTER = "10"


class Settings(InstanceView):
    """/api/instance/settings/:instance: GET shows them, POST changes those that are sent."""

    repeatable = True

    @described.SETTINGS
    def get(self, request: Request, name: str) -> Response:
        """Answer with all of them; `?keepDays=` asks what such a limit would delete."""
        days = Parameters(request).number("keepDays", 0, keeping.MOST_KEEP_DAYS)
        would = {"wouldDelete": keeping.would_delete(self.instance, days)} if days else {}
        return self._answer("Settings found", **would)

    @described.CHANGE_SETTINGS
    def post(self, request: Request, name: str) -> Response:
        """Change what is sent; the rest stays."""
        changes = changes_in(read_fields(request._request), self.instance)
        words = preferences.in_words(self.instance, changes)
        applied = preferences.change(self.instance, changes)
        audit.record_token(self.token, "instance settings changed", self.instance.name, detail=words)
        return self._answer("Settings saved successfully", applied=applied)

    def _answer(self, message: str, **more: Any) -> Response:
        settings = preferences.shown(self.instance)
        return Response({"success": True, "message": message, "instanceName": self.instance.name, **more, **settings})


def changes_in(fields: Fields, instance: Instance) -> dict[str, Any]:
    """What a body changes. Raises InvalidBody, or ApiError."""
    changes: dict[str, Any] = {}
    for name, field in preferences.SWITCHES.items():
        if fields.given(name):
            changes[field] = fields.flag(name, "true or false")
    if "keepDays" in fields:
        changes["keep_days"] = fields.number("keepDays", 0, keeping.MOST_KEEP_DAYS) or None
    if "proxy" in fields:
        try:
            changes.update(preferences.proxy_changes(instance, fields.text("proxy").strip()))
        except proxies.ProxyBusy:
            raise ApiError(503, BUSY, {"Retry-After": RETRY_AFTER}) from None
        except proxies.InvalidProxy as error:
            raise InvalidBody(f"proxy: {error}") from None
    return changes
