"""`/live/`: the reader's stream of news (Server-Sent Events)."""

import asyncio
from collections.abc import Container
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe

from instances import access
from instances.words import in_words
from portal.aside import aside
from portal.live import A_PERSON, RETRY_AFTER, Listener, TooMany, hub, stream

# How long a person keeps hearing of an instance that was taken from them.
BEAT_SECONDS = 15.0


@require_safe
async def live(request: HttpRequest) -> HttpResponseBase:
    """News of the instances the reader may see; 401 for strangers to the portal, 503 while there are none.

    `?ago=` so many milliseconds the page was read before: what came since is told as well.
    """
    user = await request.auser()
    await sync_to_async(leave_database)()
    if not user.is_authenticated:
        return HttpResponse(status=401)
    if hub.away:
        return HttpResponse(status=503)
    whose = f"person {user.pk}"
    try:
        hub.check(whose, A_PERSON)
    except TooMany as error:
        return HttpResponse(
            in_words(str(error)), status=error.status, content_type="text/plain", headers={"Retry-After": RETRY_AFTER}
        )
    session = request.session
    # The session's own, as it was just looked at: it changes with the password, which signs every other browser out.
    signed_in = user.get_session_auth_hash()

    def look() -> Container[str] | None:
        """Who they are now: signed out, deactivated, of another password, given or relieved of instances meanwhile."""
        if not session.exists(session.session_key or ""):
            return None
        person: Any = get_user_model().objects.filter(pk=user.pk, is_active=True).first()
        if person is None or not constant_time_compare(person.get_session_auth_hash(), signed_in):
            return None
        return access.heard_of(person)

    listener = Listener(asyncio.get_running_loop(), whose=whose)
    response = StreamingHttpResponse(
        stream(listener, partial(aside, look), BEAT_SECONDS, _seconds(request.GET.get("ago"))),
        content_type="text/event-stream",
    )
    response["Cache-Control"] = "no-store"
    # Neither our own compression nor a proxy may hold news back.
    response["Content-Encoding"] = "identity"
    response["X-Accel-Buffering"] = "no"
    return response


def _seconds(ago: str | None) -> float:
    """Of a number of milliseconds; anything else is as if the page had just been read."""
    if ago is None or not ago.isdecimal() or len(ago) > 12:
        return 0.0
    return int(ago) / 1000


def leave_database() -> None:
    """Close this request's database connection: the stream lasts for hours.

    Django gives an asynchronous request a thread of its own, and what hangs on
    that thread is found by the garbage collector alone, once in a great while:
    each stream left an open file behind, and a process may have a thousand.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
