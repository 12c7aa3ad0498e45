"""`portal-cli` for tests: the real command, in a process and an environment of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.portal_process import ROOT


class Cli:
    """Somebody's terminal: an address, a token (in the environment) and a home."""

    def __init__(self, home: Path, url: str = "http://127.0.0.1:9", token: str = "") -> None:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "COVERAGE_PROCESS_START")}
        self.environment = {**kept, "HOME": str(home), "PYTHONPATH": str(ROOT), "PORTAL_URL": url, "TZ": "UTC"}
        self.cwd = home
        if token:
            self.environment["PORTAL_TOKEN"] = token

    def begin(self, *arguments: str) -> "subprocess.Popen[str]":
        """The running command, its three streams in pipes."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, "-m", "portal.cli", *arguments],
            env=self.environment, cwd=self.cwd, stdin=pipe, stdout=pipe, stderr=pipe, text=True,
        )  # fmt: skip

    def run(self, *arguments: str, typed: str = "") -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        process = self.begin(*arguments)
        out, err = process.communicate(typed, timeout=90)
        return process.returncode, out, err

    def ok(self, *arguments: str, typed: str = "") -> str:
        """What it printed; it must have ended well."""
        code, out, err = self.run(*arguments, typed=typed)
        assert code == 0, err
        return out

    def json(self, *arguments: str) -> Any:
        """The answer, as `--json` prints it."""
        return json.loads(self.ok("--json", *arguments))
