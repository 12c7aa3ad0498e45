"""Secrets and signatures of webhooks, by the Standard Webhooks specification (standardwebhooks.com).

The secret is derived, not stored: whoever copies the database has none, and
what may be shown once cannot be shown again by any query. Changing SECRET_KEY
changes every secret, as it voids every token.
"""

import base64
import hashlib
import hmac
import secrets
from datetime import timedelta

from django.utils import timezone
from django.utils.crypto import salted_hmac

from instances.events.models import Webhook

PREFIX = "whsec_"
# After a rotation the old secret signs too, so that a receiver can change over without a gap.
OVERLAP = timedelta(hours=24)
# Each is a signature in every request.
MOST_FORMER = 20


def new_salt() -> str:
    """What makes the next secret another one; 256 random bits."""
    return secrets.token_urlsafe(32)


def secret(webhook: Webhook) -> str:
    """The secret as its owner is shown it, once."""
    return PREFIX + base64.b64encode(_key(webhook, webhook.salt)).decode()


def headers(webhook: Webhook, event_id: str, at: int, body: bytes) -> dict[str, str]:
    """The headers by which a receiver knows an event as ours. `at`: Unix seconds, when this request is made."""
    salts = [webhook.salt, *(salt for salt, _ in former_salts(webhook))]
    signed = f"{event_id}.{at}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(_key(webhook, salt), signed, hashlib.sha256)).decode() for salt in salts)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def former_salts(webhook: Webhook) -> list[tuple[str, float]]:
    """Of the secrets that sign beside the present one, newest first, and until when: Unix seconds."""
    before = [(webhook.old_salt, webhook.old_until.timestamp())] if webhook.old_until else []
    now = timezone.now().timestamp()
    return [(salt, until) for salt, until in (*before, *(webhook.older_salts or ())) if until > now][:MOST_FORMER]


def _key(webhook: Webhook, salt: str) -> bytes:
    return salted_hmac("instances.events.signing", f"{webhook.uid.hex}:{salt}", algorithm="sha256").digest()
