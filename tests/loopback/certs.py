"""The two chains of trust a client checks: TLS for WhatsApp's hosts, and WhatsApp's own Noise certificate inside it."""

from __future__ import annotations

import datetime
import ssl
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .curve import KeyPair
from .media import HOST as MEDIA_HOST
from .protos import wa_cert

HOST = "web.whatsapp.com"
_YEAR = 365 * 24 * 3600


def make_tls(directory: Path) -> tuple[Path, ssl.SSLContext]:
    """A fresh test authority and a context for WhatsApp's hosts. Returns the authority's file and the context."""
    now = datetime.datetime.now(datetime.UTC)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Loopback test authority")])

    def builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
        )

    authority = builder(authority_name, authority_key).add_extension(x509.BasicConstraints(True, None), critical=True)
    authority_file = directory / "authority.pem"
    authority_file.write_bytes(authority.sign(authority_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    names = x509.SubjectAlternativeName([x509.DNSName(HOST), x509.DNSName(MEDIA_HOST), x509.DNSName("localhost")])
    certificate = builder(name, key).add_extension(names, critical=False)
    server_file = directory / "server.pem"
    server_file.touch(mode=0o600)
    server_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.sign(authority_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_file)
    return authority_file, context


def noise_certificate(root: KeyPair, server_static: bytes) -> bytes:
    """The chain root, intermediate, leaf that vouches for the server's static Noise key.

    The client wants intermediate.issuerSerial 0 (the root), leaf.issuerSerial the intermediate's serial, and checks
    both validity periods (whatsmeow handshake.go, verifyServerCert).
    """
    intermediate = KeyPair.generate()
    now = int(time.time())
    period = {"notBefore": now - _YEAR, "notAfter": now + _YEAR}
    details = wa_cert.CertChain.NoiseCertificate.Details
    upper = details(serial=1, issuerSerial=0, key=intermediate.public, **period).SerializeToString()
    lower = details(serial=2, issuerSerial=1, key=server_static, **period).SerializeToString()
    certificate = wa_cert.CertChain.NoiseCertificate
    chain = wa_cert.CertChain(
        intermediate=certificate(details=upper, signature=root.sign(upper)),
        leaf=certificate(details=lower, signature=intermediate.sign(lower)),
    )
    return bytes(chain.SerializeToString())
