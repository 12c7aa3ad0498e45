"""A length for bodies that come without one.

WSGI knows no chunked bodies: Django believes that a request without a
Content-Length has no body at all. So such a body is read first, and its length
put beside it.
"""

from typing import Any

from portal.rest.asgi import App, Event, Receive, Scope, Send


class WholeBody:
    """An ASGI application around one that needs a Content-Length."""

    def __init__(self, app: App, limit: int) -> None:
        self.app = app
        # Bytes; one more is passed on, by which Django sees that it is too long.
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its body in one piece if it came in chunks."""
        if scope["type"] == "http" and _in_chunks(scope):
            body, gone = await self._gather(receive)
            if gone:
                return
            headers = [*scope["headers"], (b"content-length", str(len(body)).encode())]
            scope, receive = {**scope, "headers": headers}, _once(body, receive)
        await self.app(scope, receive, send)

    async def _gather(self, receive: Receive) -> tuple[bytes, bool]:
        """The body, and whether the caller has gone away before its end."""
        body = bytearray()
        while len(body) <= self.limit:
            event = await receive()
            if event["type"] == "http.disconnect":
                return b"", True
            body += event.get("body", b"")
            if not event.get("more_body", False):
                break
        return bytes(body[: self.limit + 1]), False


def _in_chunks(scope: Scope) -> bool:
    names = {name for name, _ in scope["headers"]}
    return b"transfer-encoding" in names and b"content-length" not in names


def _once(body: bytes, receive: Receive) -> Receive:
    left: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Event:
        return left.pop() if left else await receive()

    return give
