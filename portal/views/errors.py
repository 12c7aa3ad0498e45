"""Pages for what is not there or went wrong."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def bad_request(request: HttpRequest, exception: Any = None) -> HttpResponse:
    """400: under a name the portal does not answer to, or with what no page of ours sends."""
    return render(request, "portal/error.html", {"status": 400}, status=400)


def not_found(request: HttpRequest, exception: Any = None) -> HttpResponse:
    """404: it is not there, or not for this reader; the two look the same."""
    return render(request, "portal/error.html", {"status": 404}, status=404)


def forbidden(request: HttpRequest, exception: Any = None) -> HttpResponse:
    """403: a form came without its secret, most often from a page left open for long."""
    return render(request, "portal/error.html", {"status": 403}, status=403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """As `forbidden`: most often a page that stood open while its reader signed in anew."""
    return forbidden(request)
