"""Making tokens, finding their owner again, and what they open.

A token is 256 random bits behind a recognisable prefix. The database keeps an
HMAC-SHA256 of it under a key derived from SECRET_KEY, so that neither a copy of
the database nor a guess of a stored value opens anything. The lookup goes by
the HMAC: what an attacker could time is a comparison of keyed hashes that they
cannot choose.
"""

import hmac
import logging
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError, transaction
from django.db.models import BigIntegerField, CharField
from django.utils import timezone
from django.utils.crypto import salted_hmac

from instances.models import Account, Instance, Token
from portal.briefly import briefly
from portal.prepared import Prepared

logger = logging.getLogger(__name__)

PREFIX = "wap_"
VISIBLE = 12
# What a secret of the caller's own must look like. Ours have 43 random
# characters; theirs are at least as long as a UUID without its hyphens, since
# nobody can see how random they are. No blank: it travels in a header.
CHOSEN = re.compile(r"[!-~]{32,128}")
CHOSEN_VISIBLE = 4
# Last use is written at most this often a token: a write for every request
# would make reads as dear as writes.
LAST_USE_STEP = timedelta(minutes=1)

# Every call of the API asks these.
_WITH_DIGEST = Prepared(
    lambda digest: Token.objects.select_related("instance").filter(digest=digest), digest=CharField()
)
_NAMED = Prepared(
    lambda account, name: Instance.objects.filter(account=account, name=name),
    account=BigIntegerField(),
    name=CharField(),
)


class WrongInstance(Exception):
    """A TokenInstance was used for another instance than its own, existing or not."""

    def __init__(self) -> None:
        super().__init__("Instance token does not match the requested instance")


class InstanceNotFound(Exception):
    """The token's account has no instance of this name, whoever else may have one."""

    def __init__(self) -> None:
        super().__init__("Instance not found")


def digest(secret: str) -> str:
    """The keyed hash under which a token is stored."""
    return salted_hmac("instances.tokens", secret, algorithm="sha256").hexdigest()


def issue(
    account: Account,
    *,
    instance: Instance | None = None,
    label: str = "",
    expires_at: datetime | None = None,
    scope: str = Token.Scope.FULL,
    chosen: str = "",
) -> tuple[Token, str]:
    """Make a token; the second value is the secret, to be shown this once.

    `chosen`: a secret that the caller brings along, which must be CHOSEN.
    Raises ValueError when `instance` belongs to another account, and
    IntegrityError when the chosen secret is another token's already.
    """
    if instance is not None and instance.account_id != account.pk:
        raise ValueError("the instance belongs to another account")
    secret = chosen or PREFIX + secrets.token_urlsafe(32)
    token = Token.objects.create(
        account=account,
        instance=instance,
        label=label,
        # Of a secret that may be short, less is shown.
        prefix=secret[: CHOSEN_VISIBLE if chosen else VISIBLE],
        digest=digest(secret),
        expires_at=expires_at,
        scope=scope,
    )
    return token, secret


class RotatedAlready(Exception):
    """The token has a successor, which may be rotated instead."""

    def __init__(self) -> None:
        super().__init__("This token was rotated already: rotate its successor")


class RotatedLately(Exception):
    """The token that this one replaced is still good: with a third, one could become as many as its holder wants."""

    def __init__(self, until: datetime) -> None:
        when = f"{until.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        super().__init__(f"The token that this one replaced is good until {when}: rotate this one after that")


class Revoked(Exception):
    """The token opens nothing any more, and nor would its successor."""

    def __init__(self) -> None:
        super().__init__("This token was revoked: make a new one")


@transaction.atomic
def rotate(token: Token, overlap: timedelta, *, by_holder: bool = False) -> tuple[Token, str]:
    """Make a token that opens the same as this one, which ends after `overlap`; the second value is the secret.

    Both are good until then, so that nobody is locked out while they change
    over. The new one ends when the old one would have. `by_holder`: asked for
    with the token itself, of which two are good at once at most; who
    administers tokens may have more. Raises RotatedAlready, RotatedLately or Revoked.
    """
    if by_holder:
        replaced = Token.objects.filter(successor=token).first()
        if replaced is not None and replaced.usable and replaced.expires_at is not None:
            raise RotatedLately(replaced.expires_at)
    successor, secret = issue(
        token.account, instance=token.instance, label=token.label, expires_at=token.expires_at, scope=token.scope
    )
    end = timezone.now() + overlap
    if token.expires_at is not None:
        end = min(end, token.expires_at)
    # Of two who rotate it at once, one does; and nobody does who was let in just before it was revoked.
    still = Token.objects.filter(pk=token.pk, successor=None, revoked_at=None)
    if not still.update(successor=successor, expires_at=end):
        raise Revoked if Token.objects.filter(pk=token.pk, revoked_at__isnull=False).exists() else RotatedAlready
    token.successor, token.expires_at = successor, end
    return successor, secret


def revoke(token: Token) -> int:
    """Let a token open nothing any more, nor those it was rotated into; returns how many were still good.

    Whoever stole a token may have rotated it, even since it was loaded.
    """
    now, count = timezone.now(), 0
    for key in line(token):
        count += Token.objects.filter(pk=key, revoked_at=None).update(revoked_at=now)
    return count


def line(token: Token) -> Iterator[int]:
    """The keys of a token and of those it was rotated into."""
    key: int | None = token.pk
    while key is not None:
        yield key
        # Asked for only now: one that was revoked meanwhile can get no successor any more.
        key = Token.objects.filter(pk=key).values_list("successor_id", flat=True).first()


def find(secret: str) -> Token | None:
    """The usable token with this secret, or None. Notes the use."""
    wanted = digest(secret)
    token = _WITH_DIGEST.first(digest=wanted)
    if token is None or not hmac.compare_digest(token.digest, wanted) or not token.usable:
        return None
    _note_use(token)
    return token


def holder(token: Token) -> str:
    """Who holds a token, as histories name them."""
    return f"token '{token.label}'" if token.label else f"token {token.prefix}…"


def _note_use(token: Token) -> None:
    now = timezone.now()
    if token.last_used_at is not None and token.last_used_at >= now - LAST_USE_STEP:
        return
    try:
        with briefly(), transaction.atomic():
            # Of many requests at the same moment one writes: the others no longer see the old value.
            Token.objects.filter(pk=token.pk, last_used_at=token.last_used_at).update(last_used_at=now)
    except DatabaseError as error:
        # A busy or read-only database must not turn a good token away.
        logger.warning("The last use of token %s was not noted: %s", token.pk, error)
    else:
        token.last_used_at = now


def open_instance(token: Token, name: str) -> Instance:
    """The instance of this name that the token opens. Raises WrongInstance or InstanceNotFound.

    Names are unique within an account only, so they are looked up there.
    """
    if token.instance is not None:
        if token.instance.name != name or token.instance.account_id != token.account_id:
            raise WrongInstance
        return token.instance
    # PostgreSQL refuses NUL in text with an error; no name holds one.
    found = None if "\0" in name else _NAMED.first(account=token.account_id, name=name)
    if found is None:
        raise InstanceNotFound
    return found
