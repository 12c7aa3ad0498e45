"""Where the token stands in a request, and whose it is."""

from django.http import HttpRequest

from instances import tokens
from instances.models import Token


def secret_in(request: HttpRequest) -> str | None:
    """The secret a request carries, or None.

    `token: …` wins over `Authorization: Bearer …` and over a bare
    `Authorization: …`. A blank header counts as not sent: templates of
    integrations send the one they do not use empty.
    """
    secret = request.headers.get("token", "").strip()
    if secret:
        return secret
    words = request.headers.get("Authorization", "").split(maxsplit=1)
    if words and words[0].lower() == "bearer":
        words = words[1:]
    return " ".join(words).strip() or None


def find_token(secret: str | None) -> Token | None:
    """The usable token with this secret, if there is one. Raises DatabaseError."""
    return tokens.find(secret) if secret else None
