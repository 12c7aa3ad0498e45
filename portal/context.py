"""What every page's template may use."""

from typing import Any

from django.conf import settings
from django.core.cache.backends.locmem import LocMemCache
from django.http import HttpRequest
from django.utils import timezone

from instances import access

KEPT_SECONDS = 60
# Of each process: a page needs nothing that may be away, as a shared cache may.
kept = LocMemCache("portal.context", {"OPTIONS": {"MAX_ENTRIES": 10_000}})


class Person:
    """The reader's rights that the frame of the page depends on; asked only when the template does."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def runs_something(self) -> bool:
        """Whether to show the way to the administration. Kept a while: the door itself asks anew."""
        user = self._request.user
        return bool(kept.get_or_set(f"runs-something-{user.pk}", lambda: access.runs_something(user), KEPT_SECONDS))


def page(request: HttpRequest) -> dict[str, Any]:
    """For every template."""
    theme = request.COOKIES.get("theme", "")
    return {
        "demo": settings.DEMO,
        "theme": theme if theme in ("light", "dark") else "",
        "zone": timezone.get_current_timezone_name(),
        "languages": settings.LANGUAGES,
        "person": Person(request),
        "url_name": request.resolver_match.view_name if request.resolver_match else "",
    }
