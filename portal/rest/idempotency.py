"""`Idempotency-Key`: a request that is sent again is answered again, not carried out again.

A key is claimed, by a row that is committed, before anything is done, and the
answer is written into that row afterwards. Between the two the process may be
killed: nobody can tell then how far it came. An endpoint that may be carried
out twice without harm (`repeatable`) is; any other answers that the outcome is
unknown, for as long as the key is kept. So no key is stuck and nothing is
carried out twice. docs/contract.md has the rules for callers.
"""

import hashlib
import json
import logging
import re
from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.db import Error, IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from instances.models import Token
from portal import clock
from portal.models import KeptAnswer
from portal.rest import body
from portal.rest.errors import ApiError, InvalidBody, envelope

log = logging.getLogger(__name__)

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEPT = timedelta(hours=24)
# Bytes of an answer. None that tells what was done comes near: whatever becomes longer must not fill the disk.
MOST_KEPT = 16 * 1024
VALID = re.compile(r"[!-~]{1,255}")
# No answer takes longer than WhatsApp's acknowledgement, or a logout, and then some.
LONGEST = settings.ACK_TIMEOUT + timedelta(seconds=45)

INVALID = "Idempotency-Key must have 1 to 255 visible ASCII characters and no blank, for example a UUID"
OTHER = "This Idempotency-Key was used for another request: make a new key for each request"
UNDER_WAY = "A request with this Idempotency-Key is still under way: wait a moment and send it again"
UNKNOWN = (
    "The portal stopped while it carried this request out, so its outcome is unknown: look first, then use a new key"
)
TOO_LONG = "This request was answered before, and the answer was too long to be kept: look for what came of it"


class Replay(Exception):
    """The request was answered before; `response` is that answer."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(status)
        self.response = HttpResponse(body, status=status, content_type="application/json")
        self.response.headers[REPLAYED] = "true"


def claim(request: HttpRequest, token: Token, *, repeatable: bool) -> KeptAnswer | None:
    """The row to write this request's answer into; None when it has no key.

    Raises Replay, or ApiError: 400 for a key that is none, 409 while the first
    request is under way, 422 for a key of another request.
    """
    key = request.headers.get(HEADER)
    if key is None or request.method != "POST":
        return None
    if not VALID.fullmatch(key):
        raise ApiError(400, INVALID)
    now = timezone.now()
    values = {"request": fingerprint(request), "made_at": now, "until": now + LONGEST, "status": None, "body": ""}
    try:
        with transaction.atomic():
            return KeptAnswer.objects.create(token=token, key=key, **values)
    except IntegrityError:
        pass
    kept = KeptAnswer.objects.filter(token=token, key=key).first()
    if kept is None:
        raise _under_way()  # Given up this very moment; the next try finds it free.
    if kept.made_at > now - KEPT:
        _answer_again(kept, str(values["request"]), repeatable=repeatable)
    # Compare and set: of several that find it abandoned or outdated, one carries the request out.
    if not KeptAnswer.objects.filter(pk=kept.pk, made_at=kept.made_at, until=kept.until).update(**values):
        raise _under_way()
    kept.refresh_from_db()
    return kept


def _answer_again(kept: KeptAnswer, wanted: str, *, repeatable: bool) -> None:
    """Raise what a key that is there says; return when its request may be carried out anew."""
    if kept.request != wanted:
        raise ApiError(422, OTHER)
    if kept.status is not None:
        raise Replay(kept.status, kept.body)
    if clock.ahead(kept.until, timezone.now(), LONGEST):
        raise _under_way()
    if not repeatable:
        unknown = json.dumps(envelope(UNKNOWN))
        KeptAnswer.objects.filter(pk=kept.pk, status=None).update(status=504, body=unknown)
        raise Replay(504, unknown)


def settle(claimed: KeptAnswer, status: int, text: str) -> None:
    """Keep the answer for whoever asks again; of one that is too long, its status."""
    if len(text.encode()) > MOST_KEPT:
        text = json.dumps({"success": True, "message": TOO_LONG} if status < 400 else envelope(TOO_LONG))
    try:
        KeptAnswer.objects.filter(pk=claimed.pk, until=claimed.until).update(status=status, body=text)
    except Error:
        # The row stays open, and counts as abandoned in a while.
        log.exception("the answer to a request with an Idempotency-Key was not kept")


def release(claimed: KeptAnswer) -> None:
    """Nothing was done: the key is free for another try."""
    try:
        KeptAnswer.objects.filter(pk=claimed.pk, until=claimed.until, status=None).delete()
    except Error:
        log.exception("an Idempotency-Key was not released")


def forget_keys() -> int:
    """Delete what is older than it is kept; returns how many."""
    return KeptAnswer.objects.filter(made_at__lt=timezone.now() - KEPT).delete()[0]


def fingerprint(request: HttpRequest) -> str:
    """A hash of method, address and body. The order of a JSON object's keys, and blanks, make no difference."""
    sent = body.read(request, settings.API_MAX_BODY)
    # What is no JSON its endpoint will refuse, or it takes none.
    with suppress(InvalidBody):
        sent = json.dumps(body.parse(sent), sort_keys=True).encode()
    where = f"{request.method} {request.path_info}?{request.META.get('QUERY_STRING', '')}\0".encode()
    return hashlib.sha256(where + sent).hexdigest()


def _under_way() -> ApiError:
    return ApiError(409, UNDER_WAY, headers={"Retry-After": "1"})
