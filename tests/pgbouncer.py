"""A real pgbouncer in transaction mode before a PostgreSQL, where Debian's package is installed."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.portal_process import free_port

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
needed = pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is missing: apt install pgbouncer")

# Fewer connections than callers, so that each transaction may meet another one.
CONFIG = """\
[databases]
* = host={host} port={port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
server_round_robin = 1
max_client_conn = 500
"""


@contextlib.contextmanager
def pgbouncer(database_url: str) -> Iterator[str]:
    """Start one, and give the DATABASE_URL that leads through it."""
    assert PROGRAM is not None
    behind, own_port = urlsplit(database_url), free_port()
    folder = Path(tempfile.mkdtemp(prefix="portal-pgbouncer-"))
    config, log_file = folder / "pgbouncer.ini", folder / "log"
    config.touch(mode=0o600)
    config.write_text(
        CONFIG.format(
            host=behind.hostname, port=behind.port, user=behind.username, password=behind.password, own_port=own_port
        )
    )
    nobody = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None  # It refuses root.
    if nobody is not None:
        os.chown(folder, nobody, -1)
        os.chown(config, nobody, -1)
    with open(log_file, "wb") as log:
        process = subprocess.Popen(
            [PROGRAM, str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", user=nobody
        )
    try:
        deadline = time.monotonic() + 60
        while not _listens(own_port):
            assert process.poll() is None, log_file.read_text()
            assert time.monotonic() < deadline, log_file.read_text()
            time.sleep(0.05)
        yield behind._replace(netloc=f"portal:none@127.0.0.1:{own_port}").geturl()
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
