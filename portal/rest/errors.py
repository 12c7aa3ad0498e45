"""Every answer that is not a success, in its one envelope."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost, PermissionDenied, SuspiciousOperation, TooManyFieldsSent
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponseBase
from rest_framework.exceptions import APIException
from rest_framework.response import Response

logger = logging.getLogger(__name__)

# For answers made outside our views, by Django or its middleware.
SENTENCES = {
    400: "Bad request",
    403: "Forbidden",
    404: "Endpoint not found",
    405: "Method not allowed",
}
# The first error behind a new proxy. Which host it was, a stranger chose: it is not repeated.
NOT_OUR_HOST = "This host is not one of the portal's: add it to ALLOWED_HOSTS"
UNEXPECTED = "Internal server error"
BUSY = "The portal has more to do than it can at this moment. Nothing was done: try again in a few seconds."
DATABASE_DOWN = "The portal's database is not available. Try again later."


class ApiError(Exception):
    """An answer to the caller: a status and a sentence."""

    # Whether the same request may be answered otherwise later.
    for_now = False

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


class InvalidBody(ApiError):
    """The body is not what the endpoint takes; `what` says so in words to act on."""

    def __init__(self, what: str, *, for_now: bool = False) -> None:
        super().__init__(400, f"Invalid request body: {what}")
        self.for_now = for_now


def envelope(message: str) -> dict[str, Any]:
    """The body of every error."""
    return {"success": False, "error": {"message": message}}


def suspicious(error: SuspiciousOperation) -> ApiError:
    """The answer to what Django refuses to look at: it does so when a view first asks, not before."""
    if isinstance(error, DisallowedHost):
        return ApiError(400, NOT_OUR_HOST)
    if isinstance(error, TooManyFieldsSent):
        return ApiError(400, f"Invalid parameter: there are more than {settings.DATA_UPLOAD_MAX_NUMBER_FIELDS} of them")
    return ApiError(400, SENTENCES[400])


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """REST framework's hook: the answer to whatever a view raised.

    A view maps exceptions of other layers to statuses in its `statuses`, as the
    contract does per endpoint. What nobody expected is logged with its
    traceback and answered without.
    """
    if isinstance(error, SuspiciousOperation):
        error = suspicious(error)
    status = _status(error, getattr(context.get("view"), "statuses", {}))
    if status is not None:
        headers = error.headers if isinstance(error, ApiError) else None
        return Response(envelope(str(error)), status=status, headers=headers)
    if isinstance(error, APIException):
        return Response(envelope(str(error.detail)), status=error.status_code)
    if isinstance(error, Http404):
        return Response(envelope("Not found"), status=404)
    if isinstance(error, PermissionDenied):
        return Response(envelope(SENTENCES[403]), status=403)
    logger.error("Unexpected %s while answering an API request.", type(error).__name__, exc_info=error)
    if isinstance(error, OperationalError | InterfaceError):
        return Response(envelope(DATABASE_DOWN), status=503)
    return Response(envelope(UNEXPECTED), status=500)


def _status(error: Exception, statuses: Mapping[type[Exception], int]) -> int | None:
    if isinstance(error, ApiError):
        return error.status
    # The nearest class decides: Busy may have a row of its own beside WhatsAppError.
    return next((statuses[kind] for kind in type(error).__mro__ if kind in statuses), None)


def put_into_envelope(response: HttpResponseBase, request: HttpRequest) -> None:
    """Replace the page of an error that Django itself answered; headers (CORS) stay."""
    if response.status_code < 400 or response.streaming:
        return
    if response.headers.get("Content-Type", "").partition(";")[0].strip() == "application/json":
        return
    fallback = UNEXPECTED if response.status_code >= 500 else SENTENCES[400]
    message = SENTENCES.get(response.status_code, fallback)
    if response.status_code == 400 and not _names_us(request):
        message = NOT_OUR_HOST
    response.content = json.dumps(envelope(message), separators=(",", ":")).encode()  # type: ignore[attr-defined]
    response.headers["Content-Type"] = "application/json"
    # Of the page that was there, perhaps compressed.
    for name in ("Content-Encoding", "ETag"):
        response.headers.pop(name, None)
    if response.has_header("Content-Length"):
        response.headers["Content-Length"] = str(len(response.content))  # type: ignore[attr-defined]


def _names_us(request: HttpRequest) -> bool:
    try:
        request.get_host()
    except DisallowedHost:
        return False
    return True
