"""What must happen before Django sees a request, which reads whole bodies first."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Scope = dict[str, Any]
Event = Mapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class LimitBodies:
    """An ASGI application around Django's.

    Django's ASGI handler spools a body to disk, however long and for whatever
    path, before any middleware runs. This ends it once it is longer than `limit`
    bytes; the view sees that it is too long and answers in words, in its place
    of the order.
    """

    def __init__(self, app: App, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but the tail of long bodies."""
        if scope["type"] == "http":
            receive = _Limited(receive, self.limit, _declared(scope))
        await self.app(scope, receive, send)


class _Limited:
    """`receive` of one request, that ends the body early."""

    def __init__(self, receive: Receive, limit: int, declared: int) -> None:
        self.receive = receive
        self.limit = limit
        self.declared = declared
        self.taken = 0
        self.ended = False

    async def __call__(self) -> Event:
        if not self.ended and self.declared > self.limit:
            self.ended = True
            return {"type": "http.request", "body": b"", "more_body": False}
        event = await self.receive()
        # The rest of a body that Django believes to be over.
        while self.ended and event["type"] == "http.request":
            event = await self.receive()
        if event["type"] == "http.request":
            self.taken += len(event.get("body", b""))
            self.ended = self.taken > self.limit or not event.get("more_body", False)
            return {**event, "more_body": not self.ended}
        return event


def _declared(scope: Scope) -> int:
    for name, value in scope.get("headers", []):
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0
