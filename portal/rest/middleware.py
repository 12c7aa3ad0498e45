"""The outermost layer around everything below /api/."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone, translation

from portal.rest import call, rate
from portal.rest.errors import put_into_envelope
from portal.rest.paths import is_api


class ApiMiddleware:
    """Finds the caller and counts the request; dresses every answer.

    It refuses nothing itself. The views do, further in, so that a refusal
    carries CORS headers as any answer does, and comes in the contract's order.
    Synchronous, as layers further in are: Django would run it so anyway.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        # A rate nobody can read stops the start, not every request.
        rate.parse(settings.API_RATE)
        rate.parse(settings.API_NEW_INSTANCE_RATE)
        rate.parse(settings.EXPORT_RATE)
        # Of the pages: nobody else looks at it before somebody signs in.
        rate.parse(settings.SIGN_IN_RATE)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass the request on, with the API's dress where the path is the API's."""
        if not is_api(request.path_info):
            return self.get_response(request)
        # The thread may still be dressed for the page before. The API speaks English and UTC.
        translation.activate(settings.LANGUAGE_CODE)
        timezone.deactivate()
        begun = call.begin(request)
        response = self.get_response(request)
        put_into_envelope(response, request)
        return _dress(response, begun)


def _dress(response: HttpResponseBase, begun: call.Call) -> HttpResponseBase:
    for name, value in begun.usage.headers().items():
        response.headers[name] = value
    # Tokens travel in a header that shared caches do not know as one.
    response.headers.setdefault("Cache-Control", "no-store")
    # Django would log every 5xx as an error once more. Here some are the
    # contract's answer to a typo, and real faults were logged where they arose.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response
