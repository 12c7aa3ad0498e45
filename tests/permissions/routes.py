"""Every address there is, as the URL table has it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from portal.rest.views import ApiView, InstanceView, UnknownEndpoint

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Endpoint:
    """An address of the API with one of its methods."""

    method: str
    path: str
    view: type[ApiView]

    @property
    def of_instance(self) -> bool:
        """Whether its path ends with an instance's name."""
        return issubclass(self.view, InstanceView)


def patterns() -> Iterator[tuple[str, URLPattern]]:
    """Every pattern with its whole route."""

    def walk(found: list[URLPattern | URLResolver], before: str) -> Iterator[tuple[str, URLPattern]]:
        for one in found:
            route = before + str(one.pattern)
            if isinstance(one, URLResolver):
                yield from walk(one.url_patterns, route)
            else:
                yield route, one

    return walk(get_resolver().url_patterns, "")


def view_of(pattern: URLPattern) -> Any:
    """The class of an API's view; None for a page."""
    found = getattr(pattern.callback, "cls", None)
    return found if found is not None and issubclass(found, ApiView) else None


def pages() -> set[str]:
    """The routes of all that is no API's: pages, the administration, health."""
    return {"/" + route for route, pattern in patterns() if view_of(pattern) is None}


def endpoints() -> dict[str, Endpoint]:
    """The API's addresses, by method and name."""
    found: dict[str, Endpoint] = {}
    for _, pattern in patterns():
        view = view_of(pattern)
        if view is None or view is UnknownEndpoint:
            continue
        name = str(pattern.name).replace("\\", "")
        for method in METHODS:
            if hasattr(view, method.lower()):
                path = f"/api/{name}" + ("/shop" if issubclass(view, InstanceView) else "")
                found[f"{method} {name}"] = Endpoint(method, path, view)
    return found
