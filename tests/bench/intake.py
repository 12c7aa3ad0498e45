"""How fast messages come in and are stored, and that each is there once."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.bench.registry import Figure, at_most, bench
from tests.bench.stage import stage
from tests.e2e.scene import wait
from tests.portal_process import ROOT

MESSAGES = int(os.environ.get("INTAKE_MESSAGES", "10000"))
COUNT = "SELECT count(*) FROM chats_message"


@bench("intake")
def intake() -> Iterator[Figure]:
    """A contact writes while the portal is paused; then all of it arrives at once."""
    with stage() as (scene, bob):
        first = bob.send_text(scene.ana.jid, "the first")
        scene.stored(first)
        _service(scene.portal.environment, "disconnect")
        sent = bob.send_many(scene.ana.jid, MESSAGES)["ids"]
        began = time.perf_counter()
        _service(scene.portal.environment, "connect")
        wait(lambda: scene.database.one(COUNT) > 1, 60)
        begun = time.perf_counter()
        wait(lambda: scene.database.one(COUNT) >= MESSAGES + 1, 300, f"{MESSAGES} messages")
        took = time.perf_counter() - begun
        time.sleep(1)
        stored = [row[0] for row in scene.database.rows("SELECT message_id FROM chats_message")]
    yield Figure("intake_stored", MESSAGES / took, "messages/s")
    yield Figure("intake_wait", begun - began, "s")
    yield Figure("intake_missing", len({first, *sent} - set(stored)), "messages", at_most(0))
    yield Figure("intake_doubled", len(stored) - len(set(stored)), "messages", at_most(0))


def _service(environment: dict[str, str], verb: str) -> None:
    code = (
        "from instances.models import Instance; from instances.whatsapp import service;"
        f"service.{verb}(Instance.objects.get())"
    )
    command = [sys.executable, str(ROOT / "manage.py"), "shell", "--no-imports", "-c", code]
    subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True)
