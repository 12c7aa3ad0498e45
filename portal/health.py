"""`/healthz` and `/readyz`: whether this web process can do its work, and whether it should be given any."""

import tempfile
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.broker import NobodyListens, broker


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers, else 503. Needs no token and tells nothing else."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return JsonResponse({"status": "database unavailable"}, status=503)
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers and takes what is written, and NATS answers; else 503.

    For whoever spreads the callers; tells nothing else.
    """
    answer = healthz(request)
    if answer.status_code != 200:
        return answer
    if not _takes_what_is_written():
        return JsonResponse({"status": "database cannot be written"}, status=503)
    try:
        broker().run(broker().reach())
    except NobodyListens:
        return JsonResponse({"status": "NATS unavailable"}, status=503)
    return answer


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
