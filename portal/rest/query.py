"""Reading the parameters behind the `?` of an address, with words for whoever sent them."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from rest_framework.request import Request

from portal.rest.errors import ApiError

Where = TypeVar("Where")
# Of an answer that comes page by page: how many rows it has, and at most.
COUNT, MOST = 50, 500
NO_CURSOR = "cursor is none: send the value of `next` from the answer before, or leave it out"


class InvalidParameter(ApiError):
    """A parameter is not what the endpoint takes; the text says so in words to act on."""

    def __init__(self, what: str) -> None:
        super().__init__(400, f"Invalid parameter: {what}")


def uid_in(text: str, unknown: type[Exception]) -> UUID:
    """The UUID that this is. What is none names nothing that is there: raises `unknown`."""
    try:
        return UUID(text)
    except ValueError:
        raise unknown from None


class Parameters:
    """The parameters of an address. Of one that stands there twice, the last counts, as in Django."""

    def __init__(self, request: Request) -> None:
        self._values = request.query_params

    def text(self, name: str) -> str:
        """A string without blanks at its ends; empty when it is not there. Raises InvalidParameter."""
        value = self._values.get(name, "").strip()
        if "\0" in value:
            raise InvalidParameter(f"{name} must not contain a NUL character (%00)")
        return value

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number from 1 to `most`. Raises InvalidParameter."""
        text = self.text(name)
        if not text:
            return default
        # Of more digits than `most` has, none is small enough, and int() minds thousands of them.
        value = int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else 0
        if not 1 <= value <= most:
            raise InvalidParameter(f"{name} must be a whole number from 1 to {most}")
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of `choices`, the first when it is not there. Raises InvalidParameter."""
        value = self.text(name) or choices[0]
        if value not in choices:
            raise InvalidParameter(f"{name} must be one of {', '.join(choices)}")
        return value

    def cursor(self, parse: Callable[[str], Where | None]) -> Where | None:
        """Where to go on from, as `parse` reads it; None when it is not there. Raises InvalidParameter."""
        text = self.text("cursor")
        place = parse(text)
        if text and place is None:
            raise InvalidParameter(NO_CURSOR)
        return place
