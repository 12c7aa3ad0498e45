"""Answers that come page by page: where one begins, and what stands at its end."""

from typing import Any

from chats.selectors import rest
from chats.selectors.places import Place
from portal.rest.query import Parameters


def ending(part: rest.Part) -> dict[str, Any]:
    """What stands at the end of every answer that comes page by page."""
    return {
        "count": len(part.rows),
        "hasMore": part.next is not None,
        "next": str(part.next) if part.next is not None else None,
    }


def place(parameters: Parameters) -> Place | None:
    """Where the `cursor` says to go on from. Raises InvalidParameter."""
    return parameters.cursor(Place.parse)
