"""What every endpoint of the API is made of."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from instances import tokens
from instances.models import Instance, Token
from instances.whatsapp.errors import NotConfirmed
from portal.models import KeptAnswer
from portal.rest import call, idempotency, rate
from portal.rest.errors import SENTENCES, ApiError

FORBIDDEN: Mapping[str, str] = {
    Token.Scope.PIN: "This token may only pin: use a token with the scope full",
    Token.Scope.READ: "This token may only read: use a token with the scope full, or pin to pin",
}
PINNING = frozenset({Token.Scope.PIN})
READING = frozenset({Token.Scope.READ})
UNNAMED = "Instance name is required"


def check_scope(token: Token, scopes: frozenset[str]) -> None:
    """Refuse a token that may neither do everything nor what these scopes may. Raises ApiError."""
    if token.scope != Token.Scope.FULL and token.scope not in scopes:
        raise ApiError(403, FORBIDDEN[token.scope])


def opened_by(token: Token, name: str) -> Instance:
    """The instance of this name, if the token opens it. Raises ApiError."""
    try:
        return tokens.open_instance(token, name)
    except tokens.WrongInstance as error:
        raise ApiError(403, str(error)) from None
    except tokens.InstanceNotFound as error:
        raise ApiError(404, str(error)) from None


class AlwaysJson(BaseContentNegotiation):
    """JSON, whatever the Accept header or `?format=` asks for."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """No parser: `portal.rest.body` reads bodies."""
        return None

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The first and only renderer."""
        return renderers[0], renderers[0].media_type


class ApiView(APIView):
    """An endpoint for the holder of a token: checks come in the contract's order.

    A subclass has a method `post` or `get` and reads `self.token`.
    """

    # No "options": preflights are answered before they come here.
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    content_negotiation_class = AlwaysJson
    metadata_class = None
    # Which status answers which exception of the layers below; its str() is the sentence.
    statuses: ClassVar[Mapping[type[Exception], int]] = {}
    # The setting of a limit this endpoint has besides the general one.
    own_rate: ClassVar[str | None] = None
    # The scopes beside "full" whose tokens may call it. None is the safe default for a new endpoint.
    scopes: ClassVar[frozenset[str]] = frozenset()
    # Whether carrying a request out twice does no more than once (see `portal.rest.idempotency`).
    repeatable: ClassVar[bool] = False
    # Whether the answer to an Idempotency-Key is kept. A POST that only reads is answered anew: what it tells of is
    # large, and may have been deleted since.
    keeps: ClassVar[bool] = True

    token: Token
    claimed: KeptAnswer | None = None
    fault: Exception | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Everything that can be refused before the body is read. Raises ApiError."""
        super().initial(request, *args, **kwargs)
        begun = call.of(request._request)
        self.check_method(request)
        self.check_path(**kwargs)
        self.token = begun.authenticated()
        if self.own_rate is not None:
            begun.usage = rate.count(
                request._request, begun.bucket, getattr(settings, self.own_rate), group=self.own_rate
            )
            begun.check()
        check_scope(self.token, self.scopes)
        self.resolve(**kwargs)
        if self.keeps:
            self.claimed = idempotency.claim(request._request, self.token, repeatable=self.repeatable)

    def handle_exception(self, exc: Exception) -> Any:
        """The answer to what went wrong, or the one that was given before."""
        if isinstance(exc, idempotency.Replay):
            return exc.response
        self.fault = exc
        return super().handle_exception(exc)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Also keep the answer, if the request has an Idempotency-Key of its own."""
        if self.claimed is not None:
            self._keep(self.claimed, response)
        return super().finalize_response(request, response, *args, **kwargs)

    def _keep(self, claimed: KeptAnswer, response: Response) -> None:
        fault = self.fault
        known = isinstance(fault, ApiError) or any(kind in self.statuses for kind in type(fault).__mro__)
        nothing_done = known and not isinstance(fault, NotConfirmed)
        # A request that is wrong stays wrong. What else was in its way (no such message, no room) may be gone soon.
        wrong = isinstance(fault, ApiError) and fault.status == 400 and not fault.for_now
        if fault is not None and not wrong and (nothing_done or self.repeatable):
            idempotency.release(claimed)
            return
        text = JSONRenderer().render(self.kept(response.data)).decode()
        idempotency.settle(claimed, response.status_code, text)

    def kept(self, data: Any) -> Any:
        """The answer as it may be kept: without a secret that is shown once, and without what people wrote."""
        return data

    def resolve(self, **kwargs: Any) -> None:
        """Find what the path names, within what the token opens. Raises ApiError."""

    def check_method(self, request: Request) -> None:
        """Refuse what this endpoint has no method for. Raises ApiError."""
        if request.method not in self.allowed_methods:
            call.of(request._request).check()
            raise ApiError(405, f"Method {request.method} is not allowed here: use {' or '.join(self.allowed_methods)}")

    def check_path(self, **kwargs: Any) -> None:
        """What the path itself must hold, before the token is looked at. Raises ApiError."""


class InstanceView(ApiView):
    """An endpoint of one instance, named at the end of its path; reads `self.instance`."""

    instance: Instance

    def resolve(self, **kwargs: Any) -> None:
        """The instance."""
        self.instance = opened_by(self.token, kwargs["name"])

    def check_path(self, **kwargs: Any) -> None:
        """An instance must be named."""
        if not kwargs.get("name", "").strip():
            raise ApiError(400, UNNAMED)


class UnknownEndpoint(ApiView):
    """Every path below /api/ that is none of ours."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Always refuse, with or without a token."""
        call.of(request._request).check()
        raise ApiError(404, SENTENCES[404])

    @property
    def default_response_headers(self) -> dict[str, str]:
        """No `Allow`: there is nothing here to allow."""
        return {}
