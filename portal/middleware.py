"""What every page's answer wears, and the reader's time zone.

The policy is one line for every page, so it is written here rather than brought
in with a package that manages many.
"""

import zoneinfo
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http import FileResponse, HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils import timezone
from django.utils.deprecation import MiddlewareMixin

from portal.page_layers import PagesOnly

TIME_ZONE_COOKIE = "tz"


class ContentSecurityPolicy(PagesOnly, MiddlewareMixin):
    """Scripts, styles and all else come from this portal alone; nothing inline, nothing evaluated."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Add the header."""
        response.headers.setdefault("Content-Security-Policy", settings.CONTENT_SECURITY_POLICY)
        return response


class NoOtherHost(PagesOnly, MiddlewareMixin):
    """A redirect never goes to a host that is named without a scheme: none of ours does.

    Django lets those pass in which it finds no host, such as "// ".
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Send whoever would go there to the first page."""
        if response.headers.get("Location", "").startswith("//"):
            response.headers["Location"] = "/"
        return response


class PageCompression(PagesOnly, GZipMiddleware):
    """Compresses pages. The API's answers are short, and their dress is the API's own business; files have theirs."""

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Compress, unless it is a file."""
        return response if isinstance(response, FileResponse) else super().process_response(request, response)


class ReadersTimeZone(PagesOnly, MiddlewareMixin):
    """Shows times in the reader's zone, which their browser tells in a cookie (static/js/boot.js)."""

    def process_request(self, request: HttpRequest) -> None:
        """Activate it for this request; UTC while it is not known."""
        zone = zone_named(request.COOKIES.get(TIME_ZONE_COOKIE, ""))
        if zone is None:
            timezone.deactivate()
        else:
            timezone.activate(zone)


@lru_cache(maxsize=600)
def zone_named(name: str) -> zoneinfo.ZoneInfo | None:
    """The time zone of this name, or None. The name comes from outside."""
    if not name or len(name) > 64:
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return None
