"""What the API knows of a request before any view has seen it."""

from dataclasses import dataclass
from typing import cast

from django.conf import settings
from django.http import HttpRequest

from instances.models import Token
from portal import metrics
from portal.rest import rate
from portal.rest.address import client_address
from portal.rest.authentication import find_token, secret_in
from portal.rest.errors import ApiError

# What callers without a token, or with one that opens nothing, hear; and those who call too often.
MISSING = "Missing token in header"
INVALID = "Invalid token"
OVER_LIMIT = "Rate limit exceeded. Try again later."
# Beside WSGI's own entries; a caller can only bring names with HTTP_ in front.
_KEY = "portal.rest.call"


@dataclass(slots=True)
class Call:
    """Who calls, and how often they have called."""

    # Whether any token was sent, and the usable token it is.
    sent: bool
    token: Token | None
    bucket: str
    usage: rate.Usage
    # What went wrong while finding that out; the view answers with it.
    fault: Exception | None = None

    def check(self) -> None:
        """Refuse a call whose admission failed, or that is over its limit. Raises ApiError."""
        if self.fault is not None:
            raise self.fault
        if self.usage.over:
            metrics.REFUSED.inc()
            raise ApiError(
                429,
                OVER_LIMIT,
                headers={"Retry-After": str(self.usage.retry_after)},
            )

    def authenticated(self) -> Token:
        """The token of a call that may go on. Raises ApiError.

        The token is looked up first and names the bucket. A caller without a
        valid one hears 401 until their address has used up its bucket, then 429.
        """
        self.check()
        if self.token is None:
            raise unauthenticated(INVALID if self.sent else MISSING)
        return self.token


def unauthenticated(message: str) -> ApiError:
    """What is said of no token, or of one that opens nothing."""
    return ApiError(401, message, headers={"WWW-Authenticate": "Bearer"})


def is_preflight(request: HttpRequest) -> bool:
    """Whether a browser only asks if it may ask (CORS)."""
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def begin(request: HttpRequest) -> Call:
    """Find the caller and count the request. Raises nothing."""
    secret = secret_in(request)
    token, fault = None, None
    try:
        token = find_token(secret)
    # The view answers with it, inside the CORS headers and in its envelope.
    except Exception as error:
        fault = error
    # The row, not the secret, names the bucket: a revoked or expired token is
    # no token, and cannot use up the bucket of the one that replaced it.
    bucket = f"token:{token.pk}" if token else f"address:{client_address(request)}"
    usage = rate.count(request, bucket, settings.API_RATE, increment=not is_preflight(request))
    call = Call(sent=secret is not None, token=token, bucket=bucket, usage=usage, fault=fault)
    request.META[_KEY] = call
    return call


def of(request: HttpRequest) -> Call:
    """The call that `begin` made of this request."""
    return cast(Call, request.META[_KEY])
