"""Calls of the REST API, by the standard library alone: a client library takes longer to load than a call to make."""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from portal.cli.failure import UNREACHABLE, Failure, code_of

# Longer than the portal waits for WhatsApp.
SECONDS = 60.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token wherever it points."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follow none; the answer then counts as an error."""


class Api:
    """One portal, for the holder of one token."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self.headers = {"token": token}
        self._open = urllib.request.build_opener(_NoRedirect).open

    def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, **parameters: str | int | None
    ) -> dict[str, Any]:
        """The answer to one call; parameters that are None are left out. Raises Failure with the API's sentence."""
        given = {name: value for name, value in parameters.items() if value is not None}
        query = f"?{urllib.parse.urlencode(given)}" if given else ""
        request = urllib.request.Request(  # noqa: S310  # The scheme is http or https: see `House.api`.
            f"{self.url}/api/{path}{query}",
            None if body is None else json.dumps(body).encode(),
            {**self.headers, "Content-Type": "application/json"},
            method=method,
        )
        try:
            return self._read(*self._send(request))
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise Failure(f"No portal could be reached at {self.url}: {reason}", UNREACHABLE) from None

    def _send(self, request: urllib.request.Request) -> tuple[int, bytes]:
        """Status and body, whatever the status."""
        try:
            answer = self._open(request, timeout=SECONDS)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return answer.status, answer.read()

    def get(self, path: str, **parameters: str | int | None) -> dict[str, Any]:
        """GET."""
        return self.call("GET", path, None, **parameters)

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        """POST, without the fields that are None."""
        return self.call("POST", path, {name: value for name, value in body.items() if value is not None})

    def _read(self, status: int, body: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(body)
            if status == 200 and answer["success"] is True:
                return dict(answer)
            sentence = str(answer["error"]["message"])
        except (ValueError, KeyError, TypeError):
            raise Failure(
                f"What answers at {self.url} is no portal (HTTP {status}). Is the address right?", UNREACHABLE
            ) from None
        raise Failure(sentence, code_of(status))


def segment(name: str) -> str:
    """A name as one segment of a path, whatever stands in it."""
    return urllib.parse.quote(name, safe="")
