"""The web process's application, which `manage.py web` serves.

Pages and the API are synchronous. They run as WSGI on a pool of threads, each
of which keeps its database connection: Django's own ASGI handler makes a new
thread, and with it a new connection, for every request. What streams is ASGI.
"""

import os
from typing import Any

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

from portal.bridge import Bridge
from portal.collector import settle
from portal.rest.asgi import App, LimitBodies, Receive, Scope, Send

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

# Callers that wait for WhatsApp hold a thread each, for up to ACK_TIMEOUT.
THREADS = 64
# Those who do not wait but work: they share one interpreter.
WORKING = 12
STREAMS = ("/live/",)
# Asked by those who start the portal anew when nobody answers, which is no cure for having much to do.
HEALTH, HEALTH_THREADS = ("/healthz", "/readyz"), 2
# Asked by those who kill who does not answer: it needs no thread, of which two may wait for a database that is away.
LIVE = "/livez"


def build() -> App:
    """The application, once Django is set up."""
    streaming: Any = get_asgi_application()
    from django.conf import settings

    from portal.busy import PATIENCE_SECONDS, Busy
    from portal.health import livez
    from portal.websocket import websocket

    wsgi = get_wsgi_application()
    synchronous = Bridge(wsgi, THREADS, settings.API_MAX_BODY, working=WORKING, busy=Busy(), patience=PATIENCE_SECONDS)
    health = Bridge(wsgi, HEALTH_THREADS, settings.API_MAX_BODY)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await websocket(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"] == LIVE:
            await livez(send)
            return
        streams = scope["type"] != "http" or scope["path"].startswith(STREAMS)
        threads = health if scope["path"] in HEALTH else synchronous
        await (streaming if streams else threads)(scope, receive, send)

    settle()
    return LimitBodies(application, settings.API_MAX_BODY)


application = build()
