"""Writing the audit: who did what, in words that outlive the people and things they name."""

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from instances import tokens
from instances.models import Account, Token
from portal import tracing
from portal.models import AuditLine


def name_of(user: AbstractBaseUser | AnonymousUser) -> str:
    """What a person is called in histories: their full name, else their user name."""
    full_name = getattr(user, "get_full_name", lambda: "")()
    return str(full_name or user.get_username() or "?")[:150]


def _fit(text: str, longest: int) -> str:
    """What a person typed may hold a NUL, which PostgreSQL stores nowhere."""
    return text.replace("\0", "")[:longest]


def record(
    user: AbstractBaseUser | AnonymousUser,
    action: str,
    target: object = "",
    *,
    account: Account | None = None,
    detail: str = "",
) -> None:
    """Write one line. `action` is a short verb with its object: "instance deleted"."""
    AuditLine.objects.create(
        user_id=user.pk,
        actor=name_of(user),
        action=action,
        target=_fit(str(target), 200),
        detail=_fit(detail, 300),
        account=account,
        request_id=tracing.request_id(),
    )


def record_token(token: Token, action: str, target: object = "", *, detail: str = "") -> None:
    """Write one line for what the holder of a token did through the API."""
    AuditLine.objects.create(
        actor=_fit(tokens.holder(token), 150),
        action=action,
        target=_fit(str(target), 200),
        detail=_fit(detail, 300),
        account_id=token.account_id,
        request_id=tracing.request_id(),
    )


def record_work(actor: str, action: str, target: object = "", *, account: Account, detail: str = "") -> None:
    """Write one line for what was done in `actor`'s name, maybe later, by the portal itself."""
    AuditLine.objects.create(
        actor=_fit(actor, 150),
        action=action,
        target=_fit(str(target), 200),
        detail=_fit(detail, 300),
        account=account,
        request_id=tracing.request_id(),
    )
