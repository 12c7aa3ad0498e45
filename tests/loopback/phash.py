"""The participant list hash. Source: whatsmeow send.go, participantListHashV2."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

from .jid import JID


def phash(devices: Iterable[JID]) -> str:
    joined = "".join(sorted(device.ad_string for device in devices))
    return "2:" + base64.b64encode(hashlib.sha256(joined.encode()).digest()[:6]).decode().rstrip("=")
