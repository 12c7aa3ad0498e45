"""Pairing by an eight-character code: the phone's side of the key exchange. Source: whatsmeow pair-code.go.

The code, stretched with PBKDF2, encrypts the ephemeral keys of both sides. Whoever knows the code shares a secret, and
from that the ADV secret follows which the QR code would otherwise have carried.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import time

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .connection import Connection
from .curve import KeyPair
from .jid import SERVER
from .node import Node, node

_ROUNDS = 2 << 16
_SALT, _IV, _KEY, _NONCE = 32, 16, 32, 12


class WrongCode(Exception):
    """The two sides did not use the same code."""


def _crypt(code: str, salt: bytes, iv: bytes, data: bytes) -> bytes:
    """AES-CTR under the stretched code: the same both ways."""
    key = hashlib.pbkdf2_hmac("sha256", code.encode(), salt, _ROUNDS, 32)
    return Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor().update(data)


def _derive(secret: bytes, salt: bytes | None, info: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt, info).derive(secret)


class CodeExchange:
    def __init__(self, connection: Connection, request: Node) -> None:
        wrapped = request.child("link_code_pairing_wrapped_companion_ephemeral_pub")
        self.connection = connection
        self.ref = secrets.token_urlsafe(24).encode()
        self.finished: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._wrapped = wrapped.data if wrapped else b""
        self._ephemeral = KeyPair.generate()
        self._code = ""

    def primary_hello(self, identity: KeyPair, code: str) -> Node:
        """What the phone sends once its owner has typed the code."""
        self._code = code.replace("-", "").upper()
        self.finished = asyncio.get_running_loop().create_future()
        salt, iv = os.urandom(_SALT), os.urandom(_IV)
        wrapped = salt + iv + _crypt(self._code, salt, iv, self._ephemeral.public)
        return node(
            "notification",
            {"from": SERVER, "type": "link_code_companion_reg", "id": secrets.token_hex(4), "t": int(time.time())},
            node(
                "link_code_companion_reg",
                {"stage": "primary_hello"},
                node("link_code_pairing_wrapped_primary_ephemeral_pub", data=wrapped),
                node("primary_identity_pub", data=identity.public),
                node("link_code_pairing_ref", data=self.ref),
            ),
        )

    def finish(self, request: Node) -> bool:
        ref, bundle = request.child("link_code_pairing_ref"), request.child("link_code_pairing_wrapped_key_bundle")
        if ref is None or bundle is None or ref.data != self.ref or self.finished.done():
            return False
        self.finished.set_result(bundle.data)
        return True

    def adv_secret(self, identity: KeyPair, companion: bytes, wrapped: bytes) -> bytes:
        """Open the client's key bundle and derive the secret that seals the device identity."""
        iv_end = _SALT + _IV
        ephemeral = _crypt(self._code, self._wrapped[:_SALT], self._wrapped[_SALT:iv_end], self._wrapped[iv_end:])
        shared = self._ephemeral.agree(ephemeral)
        salt, nonce, sealed = wrapped[:_SALT], wrapped[_SALT : _SALT + _NONCE], wrapped[_SALT + _NONCE :]
        key = _derive(shared, salt, b"link_code_pairing_key_bundle_encryption_key")
        try:
            bundle = AESGCM(key).decrypt(nonce, sealed, None)
        except InvalidTag as error:
            raise WrongCode from error
        if bundle[:_KEY] != companion or bundle[_KEY : 2 * _KEY] != identity.public:
            raise WrongCode
        return _derive(shared + identity.agree(companion) + bundle[2 * _KEY :], None, b"adv_secret")
