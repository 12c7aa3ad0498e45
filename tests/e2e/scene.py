"""A linked portal between a contact, a colleague and the account's own phone: what most end-to-end tests need."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.database import PortalDatabase, portal_database
from tests.loopback import Account, Actor, LoopbackServer
from tests.portal_process import PATIENCE_SECONDS, ROOT, PortalProcess

Record = dict[str, Any]
# A connector that has just started has not taken the instance yet.
ASK = """
import time
from instances.models import Instance
from instances.whatsapp import service
from instances.whatsapp.errors import NotConnected
for left in range(150, -1, -1):
    try:
        print(service.{verb}(Instance.objects.get(name="shop")))
        break
    except NotConnected:
        if not left:
            raise
        time.sleep(0.2)
"""


class Scene:
    """Ana's number is linked to the portal's instance "shop"; Bob writes to her."""

    def __init__(self, wa: LoopbackServer, folder: Path, database: PortalDatabase, **environment: str) -> None:
        self.wa, self.folder, self.database = wa, folder, database
        self._environment = {
            **wa.env(),
            "ACK_TIMEOUT_SECONDS": "4",
            # A test that asks until something is so would soon hear of the rate alone.
            "API_RATE": "100000/m",
            "PROXY_ALLOW_PRIVATE": "true",
            "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
            **environment,
        }
        if database.url:
            self._environment["DATABASE_URL"] = database.url
        self.ana: Account = wa.account("Ana", phone="5511999990001")
        self.token = ""
        self.start()

    def start(self) -> None:
        """Start the portal by its run command."""
        self.portal = PortalProcess(self.folder / "data", **self._environment).wait_ready()

    def move(self, folder: Path, database: PortalDatabase, **environment: str) -> None:
        """From the next start on the portal keeps its things elsewhere."""
        self.folder, self.database = folder, database
        self._environment |= environment
        if database.url:
            self._environment["DATABASE_URL"] = database.url
        self.portal.environment |= {**self._environment, "DATA_DIR": str(folder / "data")}

    def link(self, instance: str = "shop") -> None:
        """Make an instance and a token, and link Ana's phone by a pairing code from the terminal."""
        self.command("createinstance", instance)
        self.token = re.search(r"wap_\S+", self.command("createtoken", "--instance", instance))[0]  # type: ignore[index]
        pairing = self.begin_command("pair", instance, "--phone", f"+{self.ana.phone}")
        self.ana.enter_code(read_until(pairing, r"\b([0-9A-Z]{4}-[0-9A-Z]{4})\b"))
        assert "Linked to 5511999990001" in finish(pairing)

    def command(self, *arguments: str) -> str:
        """A `manage.py` command; its output."""
        done = self.portal.manage(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, verb: str) -> str:
        """Call the service's front door, as a page does."""
        return self.command("shell", "--no-imports", "-c", ASK.format(verb=verb))

    def begin_command(self, *arguments: str) -> "subprocess.Popen[str]":
        """A `manage.py` command that waits for something, its output in a pipe as Python buffers it by default."""
        buffered = {name: value for name, value in self.portal.environment.items() if name != "PYTHONUNBUFFERED"}
        return subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env=buffered, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, preexec_fn=_hear_ctrl_c,
        )  # fmt: skip

    def pin(self, message_id: str, duration: str | None = None, **more: Any) -> tuple[int, Any]:
        """POST pinMessage for "shop": pin for a duration, or unpin."""
        body = {"pin": duration is not None, "messageId": message_id, **more}
        if duration is not None:
            body["duration"] = duration
        return self.portal.post("/api/chat/pinMessage/shop", body, self.token)

    def pin_state(self, message_id: str) -> str:
        """What the portal has recorded of a message's pin."""
        query = "SELECT p.state FROM chats_pin p JOIN chats_message m ON m.id = p.message_id WHERE m.message_id = ?"
        return str(self.database.one(query, message_id) or "")

    def instance(self, column: str, name: str = "shop") -> Any:
        """A column of an instance's row."""
        return self.database.one(f"SELECT {column} FROM instances_instance WHERE name = ?", name)

    def stored(self, message_id: str, *columns: str, seconds: float = PATIENCE_SECONDS) -> tuple[Any, ...]:
        """Columns of a stored message, waited for."""
        query = f"SELECT {', '.join(columns) or 'text'} FROM chats_message WHERE message_id = ?"
        rows: list[tuple[Any, ...]] = wait(
            lambda: self.database.rows(query, message_id), seconds, f"message {message_id}"
        )
        return rows[0]

    def pins_sent(self) -> int:
        """How many pins and unpins have gone over the wire from Ana's devices."""
        return len(self.wa.stanzas(sender=self.ana.jid, edit="2"))


def _hear_ctrl_c() -> None:
    # A suite that runs in the background has it ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def open_scene(wa: LoopbackServer, folder: Path, *, linked: bool = True, **environment: str) -> Iterator[Scene]:
    """A scene of its own portal and database, stopped at the end."""
    with portal_database(folder / "data") as database:
        scene = Scene(wa, folder, database, **environment)
        try:
            if linked:
                scene.link()
            yield scene
        finally:
            scene.portal.stop()


def pins_of(actor: Actor, message_id: str) -> list[Record]:
    """The pins and unpins of a message that an actor has decrypted."""
    return [
        event
        for event in actor.received()
        if event["message"].get("pinInChatMessage", {}).get("key", {}).get("ID") == message_id
    ]


def wait(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS, what: str = "it") -> Any:
    """Wait until a condition gives something, and return that."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.05)
    return found


def read_until(process: "subprocess.Popen[str]", pattern: str) -> str:
    """Read a command's output up to a pattern; returns the pattern's group."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if found := re.search(pattern, line):
            return found[1]
    raise AssertionError(f"no {pattern} in what the command printed:\n{seen}")


def finish(process: "subprocess.Popen[str]", seconds: float = PATIENCE_SECONDS) -> str:
    """The rest of a command's output, once it has ended well."""
    rest, _ = process.communicate(timeout=seconds)
    assert process.returncode == 0, rest
    return rest
