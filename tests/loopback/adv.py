"""Device identities (ADV): the phone vouches for a companion, and the companion signs back.

Source: whatsmeow pair.go (verifyAccountSignature, generateDeviceSignature).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time

from .curve import KeyPair, verify
from .protos import wa_adv

ACCOUNT_PREFIX = b"\x06\x00"
DEVICE_PREFIX = b"\x06\x01"


def vouch(account: KeyPair, companion: bytes, key_index: int) -> wa_adv.ADVSignedDeviceIdentity:
    """What the phone signs: this identity key is companion number ``key_index`` of mine."""
    details = wa_adv.ADVDeviceIdentity(
        rawID=int.from_bytes(os.urandom(4), "big") >> 1, timestamp=int(time.time()), keyIndex=key_index
    ).SerializeToString()
    return wa_adv.ADVSignedDeviceIdentity(
        details=details,
        accountSignatureKey=account.public,
        accountSignature=account.sign(ACCOUNT_PREFIX + details + companion),
    )


def seal(identity: wa_adv.ADVSignedDeviceIdentity, adv_secret: bytes) -> bytes:
    """Wrap it so that only a phone that saw the QR code (or knew the pairing code) can have sent it."""
    details = identity.SerializeToString()
    mac = hmac.new(adv_secret, details, hashlib.sha256).digest()
    return bytes(wa_adv.ADVSignedDeviceIdentityHMAC(details=details, HMAC=mac).SerializeToString())


def holds(identity: wa_adv.ADVSignedDeviceIdentity, account_key: bytes, companion: bytes) -> bool:
    """Whether both signatures are there and right: the account's over the companion, the companion's over both."""
    signed = identity.details + companion
    return verify(account_key, ACCOUNT_PREFIX + signed, identity.accountSignature) and verify(
        companion, DEVICE_PREFIX + signed + account_key, identity.deviceSignature
    )
