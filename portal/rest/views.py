"""What every endpoint of the API is made of."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from instances import tokens
from instances.models import Instance, Token
from portal.rest import call, rate
from portal.rest.errors import SENTENCES, ApiError


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

    token: Token

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

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Also resolve the instance, within what the token opens. Raises ApiError."""
        super().initial(request, *args, **kwargs)
        try:
            self.instance = tokens.open_instance(self.token, kwargs["name"])
        except tokens.WrongInstance as error:
            raise ApiError(403, str(error)) from error
        except tokens.InstanceNotFound as error:
            raise ApiError(404, str(error)) from error

    def check_path(self, **kwargs: Any) -> None:
        """An instance must be named."""
        if not kwargs.get("name", "").strip():
            raise ApiError(400, "Instance name is required")


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
