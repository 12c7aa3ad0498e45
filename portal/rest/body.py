"""Reading a JSON body: strictly, and with words for whoever sent it.

The Content-Type is not looked at: integrations send JSON as text/plain or as a
form, and the bytes say clearly enough what they are.
"""

import json
from typing import Any, NoReturn, cast

from django.conf import settings
from django.http import HttpRequest
from django.http.request import UnreadablePostError

from portal.rest.errors import InvalidBody

_NAMES = {
    str: "a string",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "an array",
    dict: "an object",
}
MIB = 1024 * 1024
# Where a body that was read stays, beside WSGI's own entries: it can be read from the connection once.
_KEY = "portal.rest.body"


class Fields:
    """The fields of a body's object, each taken with its type. Raises InvalidBody."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def fields(self, name: str) -> "Fields":
        """An object's own fields; none when it is missing or null."""
        value = self._values.get(name)
        if value is None:
            return Fields({})
        if not isinstance(value, dict):
            raise InvalidBody(f"{name} must be an object, not {_describe(value)}")
        return Fields(value)

    def flag(self, name: str, meaning: str) -> bool:
        """A field that must be there, true or false; `meaning` tells which is which."""
        if name not in self._values:
            raise InvalidBody(f"{name} is required: {meaning}")
        value = self._values[name]
        if not isinstance(value, bool):
            raise InvalidBody(f"{name} must be true or false, not {_describe(value)}")
        return value

    def flag_or_none(self, name: str) -> bool | None:
        """True or false; None when the field is missing or null."""
        return None if self._values.get(name) is None else self.flag(name, "")

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number from 1 to `most`; `default` when the field is missing or null."""
        value = self._values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidBody(f"{name} must be a number, not {_describe(value)}")
        # 50.0 is what some languages make of 50.
        if not 1 <= value <= most or value != int(value):
            raise InvalidBody(f"{name} must be a whole number from 1 to {most}")
        return int(value)

    def given(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._values.get(name) is not None

    def texts(self, name: str) -> list[str] | None:
        """An array of strings; None when the field is missing or null."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, list):
            raise InvalidBody(f"{name} must be an array of strings, not {_describe(value)}")
        for one in value:
            if not isinstance(one, str):
                raise InvalidBody(f"{name} must be an array of strings, and holds {_describe(one)}")
            _all_characters(name, one)
        return value

    def text(self, name: str) -> str:
        """A string; empty when the field is missing or null."""
        value = self._values.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise InvalidBody(f"{name} must be a string, not {_describe(value)}")
        _all_characters(name, value)
        return value


def _all_characters(name: str, text: str) -> None:
    """What no database takes, nor takes a question about."""
    if "\0" in text:
        raise InvalidBody(f"{name} must not contain a NUL character (\\u0000)")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidBody(f"{name} contains half a surrogate pair (\\ud800 to \\udfff), which is no character")


def read_fields(request: HttpRequest) -> Fields:
    """The JSON object in a request's body. Raises InvalidBody."""
    return Fields(parse(read(request, settings.API_MAX_BODY)))


def read(request: HttpRequest, limit: int) -> bytes:
    """The body, of which at most one byte beyond `limit` is read. Raises InvalidBody."""
    if _KEY in request.META:
        return cast(bytes, request.META[_KEY])
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise InvalidBody("send it uncompressed, without Content-Encoding")
    declared = request.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        _too_large(limit)
    body = bytearray()
    try:
        while len(body) <= limit and (chunk := request.read(limit + 1 - len(body))):
            body += chunk
    except UnreadablePostError:
        raise InvalidBody("it ended before it was complete") from None
    if len(body) > limit:
        _too_large(limit)
    request.META[_KEY] = bytes(body)
    return bytes(body)


def _too_large(limit: int) -> NoReturn:
    size = f"{limit // MIB} MiB" if limit % MIB == 0 else f"{limit} bytes"
    raise InvalidBody(f"it is larger than {size}")


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object these bytes are. Raises InvalidBody."""
    if not body.strip():
        raise InvalidBody("it is empty, send a JSON object")
    try:
        # Some Windows tools write a byte order mark in front.
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidBody(f"it is not UTF-8 text (byte {error.start + 1})") from None
    try:
        value = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_int=_int)
    except json.JSONDecodeError as error:
        raise InvalidBody(f"not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise InvalidBody("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise InvalidBody(f"it must be a JSON object, not {_describe(value)}")
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Which of two values counts is decided differently by every parser, a
    # gateway's check in front of us among them.
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise InvalidBody(f"the key {json.dumps(name[:100])} stands in it more than once")
        values[name] = value
    return values


def _no_constant(name: str) -> NoReturn:
    raise InvalidBody(f"not valid JSON: {name} is no JSON value")


def _int(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # Python refuses to convert more than 4300 digits
        raise InvalidBody(f"it contains a number of {len(digits)} digits") from None


def _describe(value: object) -> str:
    return "null" if value is None else _NAMES[type(value)]
