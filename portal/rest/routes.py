"""Addresses of the API."""

from django.urls import URLPattern, re_path

from portal.rest.views import ApiView, InstanceView, UnknownEndpoint


def instance_endpoint(route: str, view: type[InstanceView]) -> URLPattern:
    """`/api/<route>/<instance>`, and the same without the name, which the view refuses in words."""
    return re_path(rf"^api/{route}(?:/(?P<name>[^/]*))?\Z", view.as_view(), name=route)


def account_endpoint(route: str, view: type[ApiView]) -> URLPattern:
    """`/api/<route>`, which names no instance."""
    return re_path(rf"^api/{route}/?\Z", view.as_view(), name=route)


# After all others. [\s\S]: a path may hold an encoded line break; (?s:.) would
# say the same, but Django cannot reverse any address beside such a pattern.
unknown_endpoint = re_path(r"^api(?:/[\s\S]*)?\Z", UnknownEndpoint.as_view())
