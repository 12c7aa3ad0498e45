"""What every page's view has in common: somebody is signed in."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme

View = Callable[..., HttpResponseBase]


def signed_in(view: View) -> View:
    """Let only people through who are signed in; others go to the sign-in and come back.

    A fragment asked for by a page whose session has ended takes the whole page
    there: a sign-in form in the middle of a list helps nobody.
    """

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if request.headers.get("HX-Request"):
            response = HttpResponse(status=401)
            response["HX-Redirect"] = redirect_to_login(_way_back(request)).url
            return response
        return redirect_to_login(_way_back(request))

    return checked


def _way_back(request: HttpRequest) -> str:
    """Where to go after signing in: here; but not to where a form was sent, to the page on which it stands.

    Nobody opens the address of a form, and what it said is not sent again. Nor that of a fragment, but the page's that
    asked for it.
    """
    if request.headers.get("HX-Request"):
        page = request.headers.get("HX-Current-URL", "")
    elif request.method in ("GET", "HEAD"):
        return request.get_full_path()
    else:
        page = request.headers.get("Referer", "")
    path = urlunsplit(("", "", *urlsplit(page)[2:4], "")) if _is_ours(request, page) else ""
    return path if path.startswith("/") and _is_ours(request, path) else resolve_url("home")


def _is_ours(request: HttpRequest, address: str) -> bool:
    return url_has_allowed_host_and_scheme(address, {request.get_host()}, request.is_secure())


def is_fragment(request: HttpRequest) -> bool:
    """Whether the page asks for a part of itself, not the browser for a whole page."""
    return bool(request.headers.get("HX-Request")) and not request.headers.get("HX-History-Restore-Request")
