"""The outermost layer around everything below /api/."""

from collections.abc import Awaitable, Callable
from typing import cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from portal.rest import call, rate
from portal.rest.errors import put_into_envelope
from portal.rest.paths import is_api

Answer = HttpResponseBase | Awaitable[HttpResponseBase]


class ApiMiddleware:
    """Finds the caller and counts the request; dresses every answer.

    It refuses nothing itself. The views do, further in, so that a refusal
    carries CORS headers as any answer does, and comes in the contract's order.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Answer]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)
        # A rate nobody can read stops the start, not every request.
        rate.parse(settings.API_RATE)
        rate.parse(settings.API_NEW_INSTANCE_RATE)

    def __call__(self, request: HttpRequest) -> Answer:
        """Pass the request on, with the API's dress where the path is the API's."""
        if self.is_async:
            return self._answer(request)
        if not is_api(request.path_info):
            return self._next(request)
        begun = call.begin(request)
        return _dress(self._next(request), begun)

    def _next(self, request: HttpRequest) -> HttpResponseBase:
        return cast(HttpResponseBase, self.get_response(request))

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        begun = await sync_to_async(call.begin)(request) if is_api(request.path_info) else None
        answer = await cast(Awaitable[HttpResponseBase], self.get_response(request))
        return answer if begun is None else _dress(answer, begun)


def _dress(response: HttpResponseBase, begun: call.Call) -> HttpResponseBase:
    put_into_envelope(response)
    for name, value in begun.usage.headers().items():
        response.headers[name] = value
    # Tokens travel in a header that shared caches do not know as one.
    response.headers.setdefault("Cache-Control", "no-store")
    # Django would log every 5xx as an error once more. Here some are the
    # contract's answer to a typo, and real faults were logged where they arose.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response
