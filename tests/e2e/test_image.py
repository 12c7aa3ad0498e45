"""The image, as docs/deploy/compose.yaml runs it: a container a process, no root, nothing writable but its /data.

PORTAL_IMAGE names the image, and podman or docker must be there to run it; otherwise this is skipped.
"""

import os
import secrets
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.scene import pins_of, wait
from tests.kills.house import OURS, House, KillScene, kill_scene
from tests.loopback import Actor
from tests.portal_process import ROOT

IMAGE = os.environ.get("PORTAL_IMAGE", "")
ENGINE = shutil.which("podman") or shutil.which("docker") or ""
# Whom the image runs as.
USER = 10001
INJECTED = ROOT / "tests" / "loopback" / "inject"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (IMAGE and ENGINE), reason="no image: build docs/deploy/Containerfile and name it with PORTAL_IMAGE"
    ),
]


class Contained(House):
    """A house whose own processes are containers; the database, NATS and Valkey are programs of this machine."""

    def prepare(self) -> None:
        """The migration is a container too, and the account is made as compose.yaml says."""
        self.environment |= {
            "SECRET_KEY": secrets.token_urlsafe(48),
            "SESSION_DATABASE_URL": self.environment["DATABASE_URL"] + "?sslmode=disable",
        }
        self._certificate = self.data_dir / "authority.pem"
        shutil.copy(self.environment["SSL_CERT_FILE"], self._certificate)
        self.data_dir.chmod(0o755)
        self._certificate.chmod(0o644)
        for command in (["migrate", "--no-input"], ["createaccount", "Default"]):
            done = subprocess.run(self._container("once", *command), capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stdout + done.stderr

    def command(self, name: str) -> list[str]:
        """Its container."""
        return self._container(name, name)

    def inside(self, name: str, script: str) -> str:
        """What a shell script prints within one."""
        command = [ENGINE, "exec", self._called(name), "sh", "-c", script]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    def end(self, name: str) -> None:
        """Ask one to end, and wait for it."""
        subprocess.run([ENGINE, "stop", "-t", "60", self._called(name)], capture_output=True, check=True, timeout=90)

    def _called(self, name: str) -> str:
        return f"portal-test-{self.port}-{name}"

    def _container(self, name: str, *command: str) -> list[str]:
        data = self.data_dir.parent / f"data-{name}"
        data.mkdir(mode=0o700, exist_ok=True)
        os.chown(data, USER, USER)
        told = {key: value for key, value in self.environment.items() if os.environ.get(key) != value}
        del told["DATA_DIR"]
        told |= {"PYTHONPATH": "/inject", "SSL_CERT_FILE": "/authority.pem"}
        return [
            ENGINE, "run", "--rm", "--name", self._called(name), "--network=host", "--read-only", "--tmpfs", "/tmp",
            "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
            "-v", f"{INJECTED}:/inject:ro", "-v", f"{self._certificate}:/authority.pem:ro", "-v", f"{data}:/data",
            *(part for key, value in told.items() for part in ("-e", f"{key}={value}")),
            IMAGE, "python", "manage.py", *command,
        ]  # fmt: skip


class ContainedScene(KillScene):
    """The scene in such a house."""

    built = Contained


def test_a_pin_by_the_image(tmp_path: Path) -> None:
    with kill_scene(tmp_path, ContainedScene) as scene:
        house = scene.house
        assert isinstance(house, Contained)
        try:
            for name in OURS:
                rights = house.inside(name, "id -u; grep -E '^(CapEff|NoNew)' /proc/1/status; touch x 2>&1 || true")
                assert rights.split()[:5] == [str(USER), "CapEff:", "0" * 16, "NoNewPrivs:", "1"]
                assert "Read-only file system" in rights
            (tmp_path / "actors").mkdir()
            with Actor(scene.wa, scene.wa.account("Bob", "5511999990002"), tmp_path / "actors") as bob:
                sent = bob.send_text(scene.ana.jid, "pin me")
                scene.stored(sent)
                assert scene.pin(sent, "7d")[0] == 200
                wait(lambda: pins_of(bob, sent), 10, "the pin at the contact's")
        finally:
            for name in OURS:
                house.end(name)
        ends = {"web": "Finished server process", "connector": "is down", "worker": "the worker is down"}
        for name, words in ends.items():
            assert words in house.log(name)
