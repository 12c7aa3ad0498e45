"""Making tokens and finding their owner again.

A token is 256 random bits behind a recognisable prefix. The database keeps an
HMAC-SHA256 of it under a key derived from SECRET_KEY, so that neither a copy of
the database nor a guess of a stored value opens anything. The lookup goes by
the HMAC: what an attacker could time is a comparison of keyed hashes that they
cannot choose.
"""

import hmac
import secrets
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.crypto import salted_hmac

from instances.models import Account, Instance, Token

PREFIX = "wap_"
VISIBLE = 12
# Last use is written at most this often a token: a write for every request
# would make reads as dear as writes.
LAST_USE_STEP = timedelta(minutes=1)


def digest(secret: str) -> str:
    """The keyed hash under which a token is stored."""
    return salted_hmac("instances.tokens", secret, algorithm="sha256").hexdigest()


def issue(
    account: Account, *, instance: Instance | None = None, label: str = "", expires_at: datetime | None = None
) -> tuple[Token, str]:
    """Make a token; the second value is the secret, to be shown this once.

    Raises ValueError when `instance` belongs to another account.
    """
    if instance is not None and instance.account_id != account.pk:
        raise ValueError("the instance belongs to another account")
    secret = PREFIX + secrets.token_urlsafe(32)
    token = Token.objects.create(
        account=account,
        instance=instance,
        label=label,
        prefix=secret[:VISIBLE],
        digest=digest(secret),
        expires_at=expires_at,
    )
    return token, secret


def find(secret: str) -> Token | None:
    """The usable token with this secret, or None. Notes the use."""
    wanted = digest(secret)
    token = Token.objects.select_related("account", "instance").filter(digest=wanted).first()
    if token is None or not hmac.compare_digest(token.digest, wanted) or not token.usable:
        return None
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - LAST_USE_STEP:
        Token.objects.filter(pk=token.pk).update(last_used_at=now)
    return token
