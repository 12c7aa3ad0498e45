"""Somebody who is signed in to a real portal, with a browser's cookies."""

import http.cookiejar
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPResponse
from typing import Any, cast

from tests.portal_process import PortalProcess

PASSWORD = "a word for the tests"
_MAKE = "from django.contrib.auth import get_user_model as u; u().objects.create_superuser({!r}, password={!r})"


class Member:
    """A superuser of the portal."""

    def __init__(self, portal: PortalProcess, name: str) -> None:
        """Make them, and sign in."""
        self._portal = portal
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._cookies))
        made = portal.manage("shell", "--no-imports", "-c", _MAKE.format(name, PASSWORD))
        assert made.returncode == 0, made.stderr
        self.get("/sign-in/")
        assert self.post("/sign-in/", username=name, password=PASSWORD)[0] == 200
        assert any(cookie.name == "sessionid" for cookie in self._cookies)

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page."""
        return self._read(urllib.request.Request(self._portal.url + path))

    def post(self, path: str, **fields: str) -> tuple[int, str]:
        """Status and text of what a form brings."""
        token = next(cookie.value or "" for cookie in self._cookies if cookie.name == "csrftoken")
        data = urllib.parse.urlencode({**fields, "csrfmiddlewaretoken": token}).encode()
        return self._read(urllib.request.Request(self._portal.url + path, data))

    def stream(self, path: str) -> HTTPResponse:
        """An answer that goes on; to be closed. Raises urllib.error.HTTPError."""
        return cast(HTTPResponse, self._opener.open(self._portal.url + path, timeout=60))

    def _read(self, request: Any) -> tuple[int, str]:
        try:
            with self._opener.open(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
