"""`/livez`, `/healthz` and `/readyz`: whether this web process lives, can do its work, and should be given any."""

import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.broker import NobodyListens, broker

# How long a verdict on readiness is kept: anybody may ask, however often, and a look costs a file and a round trip.
KEPT_SECONDS = 1.0
# How long it is still given to the others while one looks again.
BELIEVED_SECONDS = 5.0


class Verdict:
    """What is wrong, as it was found last. One looks at a time, and nobody waits for another's look."""

    def __init__(self, look: Callable[[], str]) -> None:
        self._look = look
        self._looking = threading.Lock()
        self._last: tuple[float, str] = (float("-inf"), "")

    def ask(self) -> str:
        """What is wrong; empty when nothing is."""
        at, said = self._last
        age = time.monotonic() - at
        if age < KEPT_SECONDS:
            return said
        if not self._looking.acquire(blocking=False):
            return said if age < BELIEVED_SECONDS else "being looked at: ask again in a moment"
        try:
            said = self._look()
            self._last = time.monotonic(), said
            return said
        finally:
            self._looking.release()

    def forget(self) -> None:
        """Look anew next time. For tests."""
        self._last = (float("-inf"), "")


async def livez(send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """200 from the event loop itself, for whoever kills processes that do not answer.

    Asks nobody and waits for nobody: a database that is away is not mended by starting anew who waits for it.
    """
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"status": "ok"}'})


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers, else 503. Needs no token and tells nothing else."""
    return _answer(_wrong_with_database())


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers and takes what is written, and NATS answers; else 503.

    As it was within the last second, for whoever spreads the callers; tells nothing else.
    """
    return _answer(ready.ask())


def _answer(wrong: str) -> JsonResponse:
    return JsonResponse({"status": wrong or "ok"}, status=503 if wrong else 200)


def _wrong_with_database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "database unavailable"
    return ""


def _wrong() -> str:
    """What keeps this process from doing its work; empty for nothing."""
    if wrong := _wrong_with_database():
        return wrong
    if not _takes_what_is_written():
        return "database cannot be written"
    try:
        broker().run(broker().reach())
    except NobodyListens:
        return "NATS unavailable"
    return ""


ready = Verdict(_wrong)


def _takes_what_is_written() -> bool:
    """Whether the disk of an SQLite database can be written (a byte that nobody sees), and a server is not a spare."""
    if connection.vendor != "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SHOW transaction_read_only")
            return bool(cursor.fetchone() == ("off",))
    place = Path(str(settings.DATABASES["default"]["NAME"])).parent
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"x")
    except OSError:
        return False
    return True
