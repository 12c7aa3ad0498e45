"""A connector beside the one of the portal under test."""

import signal
import subprocess
import sys

from tests.e2e.scene import Scene, wait
from tests.logs import tells_no_secret
from tests.portal_process import ROOT


class Second:
    """A connector beside the portal's own, on a machine of its own as far as it knows."""

    def __init__(self, scene: Scene, name: str, **environment: str) -> None:
        self.scene, self.name = scene, name
        folder = scene.folder / name
        self._environment = scene.portal.environment | {
            "DATA_DIR": str(folder), "CONNECTOR_NAME": name, "NEONIZE_BOT_TAG": "off",
            "SECRET_KEY": (scene.folder / "data" / "secret.key").read_text(),
            **environment,
        }  # fmt: skip
        folder.mkdir(exist_ok=True)
        self.log = folder / "log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "connector"],
                env=self._environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def wait_up(self) -> "Second":
        """Wait until it has its row."""
        row = "SELECT beat FROM instances_connector WHERE name = ?"
        wait(lambda: self.scene.database.rows(row, self.name), 120, f"the start of {self.log}")
        return self

    def holds(self) -> bool:
        """Whether the scene's instance is connected here."""
        return bool(self.scene.instance("owner") == self.name and self.scene.instance("state") == "connected")

    def end(self) -> None:
        """Kill it, whatever it is doing."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait(timeout=30)
        # Its database is the portal's.
        tells_no_secret(self.log.read_text(errors="replace"), self.scene.folder / "data", self._environment)
