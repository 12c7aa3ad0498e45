"""docs/quickstart.md, followed to the letter: its commands and programs, in their order, link a phone and pin."""

# ruff: noqa: F811

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e import qr_in_terminal
from tests.e2e.database import portal_database
from tests.e2e.own import wa  # noqa: F401
from tests.e2e.scene import Scene, pins_of, wait
from tests.loopback import Actor, LoopbackServer
from tests.node import NODE
from tests.portal_process import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.sqlite_only]

PAGE = (ROOT / "docs" / "quickstart.md").read_text()
EXPORT, LINK, SEARCH, CURL, TERMINAL, UNPIN = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
(PYTHON,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(JAVASCRIPT,) = re.findall(r"```js\n(.*?)```", PAGE, re.DOTALL)


class Reader:
    """Somebody in a checkout with a shell, and nothing in it but what the page has put there."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        self.folder = folder
        # The page's address is that of a portal with all settings left alone.
        self.port = scene.portal.port
        self.environment = {**scene.portal.environment, "PATH": f"{folder}/bin:{os.environ['PATH']}"}
        for name in ("PORTAL_URL", "PORTAL_TOKEN", "PORTAL_INSTANCE"):
            self.environment.pop(name, None)
        (folder / "manage.py").symlink_to(ROOT / "manage.py")
        self.program(".venv/bin/python", f'exec "{sys.executable}" "$@"')
        self.program(".venv/bin/portal-cli", f'PYTHONPATH="{ROOT}" exec "{sys.executable}" -P -m portal.cli "$@"')
        self.program("bin/node", f'exec "{NODE}" "$@"')

    def program(self, name: str, line: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    def begin(self, commands: str) -> "subprocess.Popen[str]":
        """Type commands into the shell. What they export stays, as in a terminal."""
        kept = self.folder / "exported"
        before = kept.read_text() if kept.exists() else ""
        here = commands.replace("localhost:8000", f"localhost:{self.port}")
        script = f"set -e\n{before}\n{here}\ndeclare -p ${{!PORTAL_*}} MESSAGE_ID > '{kept}' 2>/dev/null || true\n"
        return subprocess.Popen(
            ["bash", "-c", script], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def types(self, commands: str) -> str:
        """What the commands print; they must end well."""
        process = self.begin(commands)
        out, _ = process.communicate(timeout=180)
        assert process.returncode == 0, out
        return out


@pytest.fixture(scope="module")
def scene(wa: LoopbackServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A portal just made: `make run`."""
    folder = tmp_path_factory.mktemp("quickstart")
    with portal_database(folder / "data") as database:
        made = Scene(wa, folder, database)
        try:
            yield made
        finally:
            made.portal.stop()


def test_it_works(scene: Scene, wa: LoopbackServer, tmp_path: Path) -> None:
    reader = Reader(scene, tmp_path)
    reader.types(EXPORT)
    linking = reader.begin(LINK)
    assert linking.stdout is not None
    drawn = ""
    while not (code := qr_in_terminal.read(drawn) if drawn.count("\n") > 20 else None):
        line = linking.stdout.readline()
        assert line, drawn
        drawn += line
    scene.ana.scan(code)
    out, _ = linking.communicate(timeout=120)
    assert "Linked to" in out

    with Actor(wa, wa.account("Bob", phone="5511999990002"), tmp_path / "bob") as bob:
        message_id = bob.send_text(scene.ana.jid, "The gate code is 4471")
        scene.stored(message_id)
        assert reader.types(SEARCH).startswith(f"{message_id} ")

        assert '"message":"Message pinned successfully"' in reader.types(CURL)
        wait(lambda: pins_of(bob, message_id), what="the pin at Bob's")
        assert message_id in reader.types(TERMINAL).splitlines()[-1]

        (tmp_path / "pin.py").write_text(PYTHON)
        (tmp_path / "pin.mjs").write_text(JAVASCRIPT)
        ways = {
            "Python": "python3 pin.py",
            "JavaScript": "node pin.mjs",
            "n8n": f"node {ROOT}/tests/n8n.mjs {ROOT}/docs/n8n-pin.json",
        }
        reader.program("bin/python3", f'exec "{sys.executable}" "$@"')
        for pins, (way, command) in enumerate(ways.items(), start=2):
            # Each from an unpinned message, or it would have had nothing to do.
            assert reader.types(UNPIN) == "Message unpinned successfully\n"
            assert "Message pinned successfully" in reader.types(command), way
            assert scene.pin_state(message_id) == "pinned", way
            wait(partial(seen_pins, bob, message_id, pins), what=way)


def seen_pins(bob: Actor, message_id: str, count: int) -> bool:
    """Whether Bob's client has seen exactly this many pins of the message."""
    return len([event for event in pins_of(bob, message_id) if is_pin(event)]) == count


def is_pin(event: dict[str, object]) -> bool:
    message: object = event["message"]
    return isinstance(message, dict) and message["pinInChatMessage"].get("type") in (1, "PIN_FOR_ALL")
