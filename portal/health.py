"""`/healthz` and `/readyz`: whether this web process can do its work, and whether it should be given any."""

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
    """200 when the database and NATS answer, else 503. For whoever spreads the callers; tells nothing else."""
    answer = healthz(request)
    if answer.status_code == 200:
        try:
            broker().run(broker().reach())
        except NobodyListens:
            return JsonResponse({"status": "NATS unavailable"}, status=503)
    return answer
