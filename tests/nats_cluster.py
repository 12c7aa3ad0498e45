"""Three real nats-servers that make a cluster by the file we ship: TLS, and a user for each kind of process."""

import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from portal.supervisor.nats import _program
from tests.portal_process import ROOT, free_port

CONFIG = ROOT / "docs" / "deploy" / "nats.conf"
USERS = ("web", "connector", "worker")
READY_SECONDS = 90.0
# What a server says as soon as somebody decides over the streams.
LED = re.compile(r"cluster (new )?metadata leader")


class Cluster:
    """Its servers by number, each of which can be killed, stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = [free_port() for _ in range(3)]
        self.authority = folder / "ca.crt"
        _certificates(folder)
        # A letter first, as the file says.
        self._passwords = {user: f"p{secrets.token_urlsafe(16)}" for user in USERS}
        routes = [free_port() for _ in range(3)]
        self._environment = [
            {
                "NATS_NAME": f"nats-{number}",
                "NATS_LISTEN": f"127.0.0.1:{self.ports[number]}",
                "NATS_CLUSTER": f"127.0.0.1:{routes[number]}",
                "NATS_ROUTES": str([f"nats://127.0.0.1:{port}" for port in routes]).replace("'", '"'),
                "NATS_STORE": str(folder / f"store-{number}"),
                "NATS_CERT": str(folder / "server.crt"),
                "NATS_KEY": str(folder / "server.key"),
                "NATS_CA": str(self.authority),
                **{f"NATS_{user.upper()}_PASSWORD": password for user, password in self._passwords.items()},
            }
            for number in range(3)
        ]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def url(self, user: str, first: int = 0) -> str:
        """NATS_URL of a process of this kind; it names all three, `first` first."""
        ports = self.ports[first:] + self.ports[:first]
        return f"tls://{user}:{self._passwords[user]}@" + ",tls://".join(f"127.0.0.1:{port}" for port in ports)

    def start(self, *numbers: int) -> None:
        """Start servers and wait until the cluster has a leader for its streams."""
        said = {number: len(self.log(number)) for number in numbers}
        for number in numbers:
            with open(self.folder / f"log-{number}", "ab") as log:
                self._processes[number] = subprocess.Popen(
                    [_program(), "--config", str(CONFIG)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    env=os.environ | self._environment[number],
                )  # fmt: skip
        deadline = time.monotonic() + READY_SECONDS
        while waiting := [number for number in numbers if not LED.search(self.log(number), said[number])]:
            dead = [number for number in numbers if self._processes[number].poll() is not None]
            assert not dead, self.log(dead[0])
            assert time.monotonic() < deadline, self.log(waiting[0])
            time.sleep(0.05)

    def log(self, number: int) -> str:
        """What a server has said."""
        path = self.folder / f"log-{number}"
        return path.read_text() if path.exists() else ""

    def signal(self, server: int, what: signal.Signals) -> None:
        """Kill, freeze or wake a server."""
        self._processes[server].send_signal(what)

    def kill(self, server: int) -> None:
        """End a server as a power cut does, as far as its clients can see: its connections close."""
        self._processes[server].kill()
        self._processes[server].wait()

    def stop(self) -> None:
        """End all."""
        for process in self._processes.values():
            process.kill()
            process.wait()


@contextmanager
def nats_cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster that is up, until the end of the block."""
    cluster = Cluster(folder)
    try:
        cluster.start(0, 1, 2)
        yield cluster
    finally:
        cluster.stop()


def _certificates(folder: Path) -> None:
    """An authority of our own, and one certificate that it signed, for servers and between them."""
    now = datetime.now(UTC)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's authority")])

    def build(name: x509.Name, public: ec.EllipticCurvePublicKey, signs: bool) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(authority).public_key(public)
        builder = builder.serial_number(x509.random_serial_number()).add_extension(
            x509.BasicConstraints(ca=signs, path_length=None), critical=True
        )
        return builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))

    signer = build(authority, authority_key.public_key(), True).sign(authority_key, hashes.SHA256())
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    server = build(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nats")]), key.public_key(), False)
    server = server.add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
    ).add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    folder.mkdir(parents=True, exist_ok=True)
    pem = serialization.Encoding.PEM
    (folder / "ca.crt").write_bytes(signer.public_bytes(pem))
    (folder / "server.crt").write_bytes(server.sign(authority_key, hashes.SHA256()).public_bytes(pem))
    (folder / "server.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
