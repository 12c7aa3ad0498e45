"""The server's side of Noise_XX_25519_AESGCM_SHA256, and the transport after it.

Source: whatsmeow socket/noisehandshake.go and noisesocket.go; noiseprotocol.org.
"""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .curve import KeyPair
from .protos import wa6

PATTERN = b"Noise_XX_25519_AESGCM_SHA256\0\0\0\0"
PROLOGUE = b"WA\x06\x03"


class HandshakeFailed(Exception):
    """The other side did not prove what it must."""


class Transport:
    """The encrypted channel: a counter and a key for each direction."""

    def __init__(self, write_key: bytes, read_key: bytes) -> None:
        self._write, self._read = AESGCM(write_key), AESGCM(read_key)
        self._written = self._seen = 0

    def encrypt(self, plaintext: bytes) -> bytes:
        sealed = self._write.encrypt(_nonce(self._written), plaintext, None)
        self._written += 1
        return sealed

    def decrypt(self, ciphertext: bytes) -> bytes:
        opened = self._read.decrypt(_nonce(self._seen), ciphertext, None)
        self._seen += 1
        return opened


class Handshake:
    """One handshake. First ``hello`` (client's first frame: our answer), then ``finish`` (its second frame)."""

    def __init__(self, static: KeyPair, certificate: bytes) -> None:
        self._static = static
        self._certificate = certificate
        self._ephemeral = KeyPair.generate()
        self._hash = PATTERN
        self._salt = PATTERN
        self._key = AESGCM(PATTERN)
        self._counter = 0
        self.client_static = b""
        self._authenticate(PROLOGUE)

    def hello(self, frame: bytes) -> bytes:
        client_ephemeral = wa6.HandshakeMessage.FromString(frame).clientHello.ephemeral
        if len(client_ephemeral) != 32:
            raise HandshakeFailed("no client ephemeral key")
        self._authenticate(client_ephemeral)
        self._authenticate(self._ephemeral.public)
        self._mix(self._ephemeral.agree(client_ephemeral))
        static = self._encrypt(self._static.public)
        self._mix(self._static.agree(client_ephemeral))
        answer = wa6.HandshakeMessage.ServerHello(
            ephemeral=self._ephemeral.public, static=static, payload=self._encrypt(self._certificate)
        )
        return bytes(wa6.HandshakeMessage(serverHello=answer).SerializeToString())

    def finish(self, frame: bytes) -> tuple[wa6.ClientPayload, Transport]:
        last = wa6.HandshakeMessage.FromString(frame).clientFinish
        self.client_static = self._decrypt(last.static)
        self._mix(self._ephemeral.agree(self.client_static))
        payload = wa6.ClientPayload.FromString(self._decrypt(last.payload))
        from_client, to_client = self._expand(b"")
        return payload, Transport(write_key=to_client, read_key=from_client)

    def _authenticate(self, data: bytes) -> None:
        self._hash = hashlib.sha256(self._hash + data).digest()

    def _expand(self, secret: bytes) -> tuple[bytes, bytes]:
        okm = HKDF(hashes.SHA256(), 64, self._salt, None).derive(secret)
        return okm[:32], okm[32:]

    def _mix(self, secret: bytes) -> None:
        self._salt, key = self._expand(secret)
        self._key = AESGCM(key)
        self._counter = 0

    def _encrypt(self, plaintext: bytes) -> bytes:
        sealed = self._key.encrypt(_nonce(self._counter), plaintext, self._hash)
        self._counter += 1
        self._authenticate(sealed)
        return sealed

    def _decrypt(self, ciphertext: bytes) -> bytes:
        try:
            opened = self._key.decrypt(_nonce(self._counter), ciphertext, self._hash)
        except InvalidTag as error:
            raise HandshakeFailed("the client's handshake does not decrypt") from error
        self._counter += 1
        self._authenticate(ciphertext)
        return opened


def _nonce(counter: int) -> bytes:
    return counter.to_bytes(12, "big")
