"""Django's layers that only pages need. The API's calls pass them by: together they were a seventh of a call's time.

What system checks look for by name (`CsrfViewMiddleware` and such) stays in the settings as it is.
"""

from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.middleware.locale import LocaleMiddleware
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin
from whitenoise.middleware import WhiteNoiseMiddleware

from portal.rest.paths import is_api


class PagesOnly:
    """Mixed into a layer: it does nothing for the API."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        """Pass a call of the API on."""
        if is_api(request.path_info):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]


class Files(PagesOnly, WhiteNoiseMiddleware):  # type: ignore[misc]
    """Static files, without a web server in front."""


class NotKept(PagesOnly, MiddlewareMixin):
    """A page is for whoever asked: no browser or proxy keeps it, unless its view says otherwise.

    On a machine that several use, Back would show it after the sign-out.
    """

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Say so. Who is signed in is not looked up for it: an error has this answer too."""
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response


class Session(PagesOnly, SessionMiddleware):
    """Who is signed in. The API knows tokens only."""


class Language(PagesOnly, LocaleMiddleware):
    """The reader's language. The API speaks English, as its contract does."""


class User(PagesOnly, AuthenticationMiddleware):
    """The person of the session."""


class Messages(PagesOnly, MessageMiddleware):
    """What the next page tells."""


class NoBlankPage(PagesOnly, MiddlewareMixin):
    """A refusal without a word is a blank page to whoever sent a form: it says what is wrong. htmx has its words."""

    WORDLESS = (400, 403, 405)

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Draw the page, under the same status."""
        blank = response.status_code in self.WORDLESS and not response.streaming and not response.content
        if blank and not request.headers.get("HX-Request") and request.accepts("text/html"):
            context = {"status": response.status_code, "refused": True}
            response.content = render_to_string("portal/error.html", context, request)
        return response
