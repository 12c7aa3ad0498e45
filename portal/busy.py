"""What is answered when more is asked for than can be done: soon, and without a thread or the database.

A queue that only grows keeps everybody waiting until nobody waits any more.
Whoever gets no thread within PATIENCE_SECONDS is told so, and when to come
again; nothing was done for them. What is done is then done in time.
"""

import logging
import random
import time
from collections.abc import Callable, Iterable
from typing import Any

from corsheaders.middleware import CorsMiddleware
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.template.loader import render_to_string

from portal import metrics
from portal.middleware import ContentSecurityPolicy
from portal.page_layers import Language
from portal.rest.errors import BUSY, envelope
from portal.rest.paths import is_api
from portal.tracing import Tracing

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 0.5
# They are spread over so many seconds, or they would all come again at the same moment.
SOONEST, LATEST = 2, 8
LOG_SECONDS = 60.0


class Busy:
    """A WSGI application that refuses, in every dress an answer of the portal wears."""

    def __init__(self) -> None:
        get_response: Any = _refuse
        for layer in (Language, CorsMiddleware, XFrameOptionsMiddleware, ContentSecurityPolicy, SecurityMiddleware):
            get_response = layer(get_response)
        self._get_response: Any = convert_exception_to_response(Tracing(get_response))
        self._refused = 0
        self._told = -LOG_SECONDS

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        """Refuse one request."""
        metrics.BUSY.inc()
        self._tell()
        response = self._get_response(WSGIRequest(environ))
        start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
        answer: Iterable[bytes] = response
        return answer

    def _tell(self) -> None:
        self._refused += 1
        if time.monotonic() - self._told >= LOG_SECONDS:
            log.warning("More is asked for than can be done: requests refused since last said: %s", self._refused)
            self._refused, self._told = 0, time.monotonic()


def _refuse(request: HttpRequest) -> HttpResponse:
    wait = random.randint(SOONEST, LATEST)  # noqa: S311  # no secret
    response: HttpResponse
    if is_api(request.path_info):
        response = JsonResponse(envelope(BUSY), status=503)
        response["Cache-Control"] = "no-store"
    else:
        again = wait if request.method == "GET" else None
        response = HttpResponse(render_to_string("portal/busy.html", {"again": again}), status=503)
    response["Retry-After"] = str(wait)
    return response
