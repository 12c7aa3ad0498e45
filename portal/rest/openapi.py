"""The description of the API in OpenAPI 3.1, made of what stands beside each endpoint.

Requests and answers are described by JSON Schema as it is, because bodies are
read by `portal.rest.body` and not by serializers. What all endpoints share is
added here, so that an endpoint names its own fields, answer and errors alone.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any, TypeVar

from django.urls import URLPattern, path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from chats.models import Message
from instances import tokens
from instances.models import Token
from instances.states import State
from portal.rest import call, idempotency
from portal.rest.errors import BUSY, DATABASE_DOWN, UNEXPECTED, envelope
from portal.rest.query import COUNT, MOST
from portal.rest.views import FORBIDDEN, UNNAMED, ApiView, InstanceView

Schema = dict[str, Any]
Method = TypeVar("Method", bound=Callable[..., Any])

JSON = "application/json"
STRING: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "integer"}
TIME: Schema = {"type": "string", "format": "date-time"}
MAYBE: Schema = {"type": ["string", "null"]}
MAYBE_TIME: Schema = {"type": ["string", "null"], "format": "date-time"}
# What a message says; what only acts on another one is in events alone. And where an instance's connection stands.
KIND: Schema = {"enum": [kind for kind in Message.Kind.values if kind not in Message.ACTIONS]}
STATE: Schema = {"enum": State.values}

# Errors every endpoint may answer with, and those of every endpoint that names an instance.
EVERYWHERE = (
    (401, call.MISSING),
    (401, call.INVALID),
    (429, call.OVER_LIMIT),
    (500, UNEXPECTED),
    (503, DATABASE_DOWN),
    (503, BUSY),
)
OF_AN_INSTANCE = (
    (400, UNNAMED),
    (403, str(tokens.WrongInstance())),
    (404, str(tokens.InstanceNotFound())),
)
OF_A_SCOPE = (403, FORBIDDEN[Token.Scope.READ])
WITH_A_KEY = (
    (400, idempotency.INVALID),
    (409, idempotency.UNDER_WAY),
    (422, idempotency.OTHER),
    (504, idempotency.UNKNOWN),
)
KEY = OpenApiParameter(
    idempotency.HEADER,
    STRING,
    OpenApiParameter.HEADER,
    description="The same key gives the same answer for 24 hours, with `Idempotency-Replayed: true`.",
)
INVALID_BODY = (400, "Invalid request body: it must be a JSON object, not a string")
INVALID_PARAMETER = (400, f"Invalid parameter: limit must be a whole number from 1 to {MOST}")


def shape(optional: dict[str, Schema] | None = None, **fields: Schema) -> Schema:
    """An object with all of these fields, and with some that may be left out."""
    return {"type": "object", "required": list(fields), "properties": {**fields, **(optional or {})}}


def several(of: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": of}


def ref(name: str) -> Schema:
    """What all endpoints share under this name: see COMPONENTS."""
    return {"$ref": f"#/components/schemas/{name}"}


def parameter(name: str, about: str, *, required: bool = False, schema: Schema | None = None) -> OpenApiParameter:
    """A parameter behind the `?`."""
    return OpenApiParameter(name, schema or STRING, description=about, required=required)


# How many rows an answer has: `limit`, or `count` of a body.
ROWS: Schema = {**NUMBER, "minimum": 1, "maximum": MOST, "default": COUNT}
LIMIT = parameter("limit", "How many to answer with.", schema=ROWS)
CURSOR = parameter("cursor", "`next` of the answer before: goes on from there.")


def described(
    summary: str,
    *,
    answer: Schema | None = None,
    example: dict[str, Any] | None = None,
    files: Sequence[str] = (),
    ranges: bool = False,
    errors: Sequence[tuple[int, str]] = (),
    body: Schema | None = None,
    sent: dict[str, Any] | None = None,
    parameters: Sequence[OpenApiParameter] = (),
    instance: bool = True,
    every_scope: bool = False,
    keeps: bool = True,
) -> Callable[[Method], Method]:
    """Describe a view's method: its fields (`body`, for example `sent`), its answer and its errors.

    `files`: the types of what it answers with, where that is a file and no object; `ranges`: or a part of it;
    `keeps` as the view has it.
    """
    examples = []
    if example is not None:
        examples.append(OpenApiExample("Success", value=example, response_only=True, status_codes=["200"]))
    if sent is not None:
        examples.append(OpenApiExample("Request", value=sent, request_only=True))
    named = [OpenApiParameter("instance", STRING, OpenApiParameter.PATH, description="Its name.")] if instance else []
    given = (
        *errors,
        *(OF_AN_INSTANCE if instance else ()),
        *(() if every_scope else (OF_A_SCOPE,)),
        *EVERYWHERE,
        *((INVALID_BODY,) if body else ()),
    )

    def decorate(method: Method) -> Method:
        takes_a_key = method.__name__ == "post" and keeps
        describe: Any = extend_schema(
            summary=summary,
            parameters=[*named, *parameters, *([KEY] if takes_a_key else [])],
            request={JSON: _sent(body)} if body else None,
            responses={
                **_success(answer, files, ranges=ranges),
                **_errors((*given, *(WITH_A_KEY if takes_a_key else ()))),
            },
            examples=examples,
        )
        described_method: Method = describe(method)
        return described_method

    return decorate


def _sent(body: Schema) -> Schema:
    """A body as it is read (`portal.rest.body`): null counts as left out, wherever a field may be left out."""
    properties = body.get("properties")
    if properties is None:
        return body
    required = body.get("required", [])
    read = {name: _sent(field) if name in required else _or_null(_sent(field)) for name, field in properties.items()}
    return {**body, "properties": read}


def _or_null(field: Schema) -> Schema:
    found = dict(field)
    if isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    if "enum" in found and None not in found["enum"]:
        found["enum"] = [*found["enum"], None]
    return found


def _success(answer: Schema | None, files: Sequence[str], *, ranges: bool) -> dict[tuple[int, str], OpenApiResponse]:
    binary = {"type": "string", "format": "binary"}
    found = {(200, kind): OpenApiResponse(binary, "The file.") for kind in files}
    if ranges:
        found |= {(206, kind): OpenApiResponse(binary, "The range that was asked for.") for kind in files}
    return found if answer is None else {(200, JSON): OpenApiResponse(answer, "As asked."), **found}


def _errors(errors: Sequence[tuple[int, str]]) -> dict[tuple[int, str], OpenApiResponse]:
    sentences: dict[int, list[str]] = {}
    for status, sentence in sorted(errors):
        sentences.setdefault(status, []).append(sentence)
    return {
        (status, JSON): OpenApiResponse(
            ref("Error"),
            f"{HTTPStatus(status).phrase}: " + " · ".join(said),
            [
                OpenApiExample(one[:60], value=envelope(one), response_only=True, status_codes=[str(status)])
                for one in said
            ],
        )
        for status, said in sentences.items()
    }


MESSAGE = shape(
    messageId=STRING,
    chatJid=STRING,
    senderJid=STRING,
    senderName=STRING,
    fromMe=FLAG,
    timestamp=TIME,
    type=KIND,
    text=STRING,
    quotedId=MAYBE,
    status={"enum": ["sent", "delivered", "read", "played", None]},
    editedAt=MAYBE_TIME,
    deletedAt=MAYBE_TIME,
)
INSTANCE = shape(
    instanceName=STRING,
    state=STATE,
    sentence=STRING,
    numberJid=MAYBE,
    lid=MAYBE,
    profileName=STRING,
    linkedAt=MAYBE_TIME,
    lastSeenAt=MAYBE_TIME,
    createdAt=TIME,
    historyPercent={"type": ["integer", "null"], "minimum": 0, "maximum": 100},
    historyAt=MAYBE_TIME,
    optional={"token": MAYBE},
)
COMPONENTS: dict[str, Any] = {
    "schemas": {
        "Error": shape(success={"const": False}, error=shape(message=STRING)),
        "Message": MESSAGE,
        "Instance": INSTANCE,
    },
    "securitySchemes": {
        "token": {"type": "apiKey", "in": "header", "name": "token"},
        "bearer": {"type": "http", "scheme": "bearer"},
    },
}


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """The whole description."""
    from instances.events.described import SENT
    from portal.urls import urlpatterns

    generator: Any = SchemaGenerator
    addressed = list(filter(None, map(_addressed, urlpatterns)))
    found = generator(patterns=addressed).get_schema(public=True)
    for pattern in addressed:
        view: Any = pattern.callback
        module, verb = str(pattern.name).split("/")
        operations = found["paths"][f"/{pattern.pattern}".replace("<str:instance>", "{instance}")]
        for method, operation in operations.items():
            operation["security"] = _security(view.cls)
            # What generated clients call it: chatPinMessage; instanceSettingsPost, beside the GET of the same address.
            more = method.capitalize() if len(operations) > 1 and method != "get" else ""
            operation["operationId"] = f"{module}{verb[0].upper()}{verb[1:]}{more}"
    return {**found, "webhooks": SENT, "components": COMPONENTS}


def _security(view: type[ApiView]) -> list[dict[str, list[str]]]:
    """Any one of these: a token in either header, with one of the scopes that open the endpoint."""
    scopes = [Token.Scope.FULL.value, *sorted(view.scopes)]
    return [{header: [scope]} for header in ("token", "bearer") for scope in scopes]


def _addressed(pattern: Any) -> URLPattern | None:
    """An endpoint's address as OpenAPI can say it; the real ones also take what they refuse in words."""
    view = getattr(getattr(pattern, "callback", None), "cls", None)
    if view is None or not issubclass(view, ApiView) or not pattern.name or issubclass(view, OpenApi):
        return None
    end = "/<str:instance>" if issubclass(view, InstanceView) else ""
    made: URLPattern = path(f"api/{pattern.name}{end}", view.as_view(), name=pattern.name)
    return made


class OpenApi(ApiView):
    """GET /api/openapi.json: this description, for whoever asks. It holds nothing of any account."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """No token is needed; the rate limit counts all the same."""
        call.of(request._request).check()
        self.check_method(request)

    def get(self, request: Request) -> Response:
        """Answer with the description."""
        return Response(document())
