"""Ten thousand planned pins due in the same minute over a hundred instances: how late each was, none lost, none double.

Real instances on the loopback server, each with a chat of its own with one
contact, whose device is linked (so that all is encrypted for it) but switched
off (so that decrypting does not take the machine from what is measured). The
loopback server, a Python process, runs on the same machine and has its share
of the lateness. Then the same again, and the connector is killed half-way: a
pin whose order was with it just then is `unknown`, as the contract says, and
is counted by itself.

SCHEDULE_PINS and SCHEDULE_INSTANCES make it smaller.
"""

import json
import os
import re
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.bench.registry import Figure, at_most, bench
from tests.e2e.database import portal_database
from tests.e2e.scene import Scene, wait
from tests.loopback import Account, Actor, LoopbackServer

PINS = int(os.environ.get("SCHEDULE_PINS", "10000"))
INSTANCES = int(os.environ.get("SCHEDULE_INSTANCES", "100"))
MINUTE = 60.0
# Past the slowest that would still tell something.
PATIENCE = 1_800

# Messages and what is planned for them, made at once: planning is measured nowhere here.
PLAN = """
import json, sys
from datetime import datetime, timedelta
from django.utils import timezone
from chats.models import Chat, Message, Schedule
from instances.models import Instance
said = json.loads({said!r})
begin = datetime.fromisoformat(said["begin"])
messages = []
for instance in Instance.objects.order_by("pk"):
    chat, _ = Chat.objects.get_or_create(instance=instance, jid=said["jid"], defaults={{"kind": "direct"}})
    messages += [
        Message(instance=instance, chat=chat, sender=said["jid"], message_id=f"{{said['round']}}{{instance.pk}}N{{n}}",
                from_me=False, kind="text", sent_at=timezone.now(), text=f"message {{n}}",
                wire_chat=said["jid"], wire_sender=said["jid"])
        for n in range(said["each"])
    ]
Message.objects.bulk_create(messages, batch_size=500)
# Turn about, so that each instance has something to do all the time.
each, count = said["each"], len(messages)
messages = [messages[n] for first in range(each) for n in range(first, count, each)]
due = [begin + timedelta(seconds=said["seconds"] * n / count) for n in range(count)]
Schedule.objects.bulk_create([
    Schedule(message=message, actor="bench", starts_at=at, due_at=at, try_at=at, step="pin", duration=604_800)
    for message, at in zip(messages, due, strict=True)
], batch_size=500)
print("PLANNED", count)
"""
STATES = """
    SELECT s.state, count(*) FROM chats_schedule s JOIN chats_message m ON m.id = s.message_id
    WHERE m.message_id LIKE ? GROUP BY s.state
"""
LATENESS = """
    SELECT s.starts_at, e.at FROM chats_schedule s JOIN chats_message m ON m.id = s.message_id
    JOIN chats_pin p ON p.message_id = m.id JOIN chats_pinevent e ON e.pin_id = p.id
    WHERE m.message_id LIKE ? AND e.kind = 'acknowledged'
"""


@bench("schedule")
def schedule() -> Iterator[Figure]:
    """A round in peace, and one in which the connector is killed."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with LoopbackServer(folder / "whatsapp") as wa, portal_database(folder / "data") as database:
            scene = Scene(wa, folder, database, API_RATE="1000000/m", API_NEW_INSTANCE_RATE="1000000/m")
            try:
                bob = Actor(wa, wa.account("Bob", phone="5511999990002"), folder)
                with bob:
                    pass
                phones = _link(scene)
                yield from _round(scene, bob, phones, "A")
                yield from _round(scene, bob, phones, "B", killing=True)
            finally:
                scene.portal.stop()


def _link(scene: Scene) -> list[Account]:
    """All the instances, each linked to a phone of its own."""
    answer: Any
    scene.token = re.search(r"wap_\S+", scene.command("createtoken"))[0]  # type: ignore[index]
    phones = []
    for number in range(INSTANCES):
        name = f"i{number}"
        status, answer = scene.portal.post("/api/instance/new", {"name": name}, scene.token)
        assert status == 200, answer
        phone = scene.wa.account(name, phone=f"55119{number:08}")
        phone.scan(wait(partial(_code, scene, name), 60, f"a code for {name}"))
        phones.append(phone)
    states = "SELECT count(*) FROM instances_instance WHERE state = 'connected'"
    wait(lambda: scene.database.one(states) == INSTANCES, 120, "all instances connected")
    return phones


def _code(scene: Scene, name: str) -> str:
    """The QR code of an instance; empty until a connector has taken it up."""
    asked = Request(f"{scene.portal.url}/api/instance/connect/{name}", headers={"token": scene.token})
    try:
        with urlopen(asked, timeout=60) as answer:  # Our own portal.
            return str(json.load(answer)["qrCode"])
    except HTTPError:
        return ""


def _round(scene: Scene, bob: Actor, phones: list[Account], prefix: str, *, killing: bool = False) -> Iterator[Figure]:
    """Plan, wait until nothing waits any more, and look at what was sent."""
    before = Counter({phone.jid: len(scene.wa.stanzas(sender=phone.jid, edit="2")) for phone in phones})
    each = PINS // INSTANCES
    # Planning itself takes a while.
    begin = datetime.now(UTC) + timedelta(seconds=20 + PINS / 200)
    said = json.dumps(
        {"begin": begin.isoformat(), "seconds": MINUTE, "each": each, "jid": bob.account.jid, "round": prefix}
    )
    done = scene.portal.manage("shell", "--no-imports", "-c", PLAN.format(said=said), seconds=600)
    assert f"PLANNED {each * INSTANCES}" in done.stdout, done.stderr
    assert datetime.now(UTC) < begin, "planning took so long that the first were late already"

    def states() -> Counter[str]:
        return Counter(dict(scene.database.rows(STATES, f"{prefix}%")))

    if killing:
        wait(lambda: states()["done"] >= each * INSTANCES // 2, PATIENCE, "half of the pins")
        os.kill(scene.portal.pids()["connector"], signal.SIGKILL)
    wait(lambda: not _slowly(states)["waiting"], PATIENCE, "the end of all that was planned")
    sent = Counter({phone.jid: len(scene.wa.stanzas(sender=phone.jid, edit="2")) for phone in phones})
    sent.subtract(before)
    rows = scene.database.rows(LATENESS, f"{prefix}%")
    late = sorted((_time(done) - _time(due)).total_seconds() for due, done in rows)
    ended, name = states(), "schedule_killed" if killing else "schedule"
    yield Figure(f"{name}_late_p50", quantiles(late, n=100)[49], "s")
    yield Figure(f"{name}_late_p99", quantiles(late, n=100)[98], "s")
    last = max(_time(done) for _, done in rows)
    yield Figure(f"{name}_rate", len(late) / (last - begin).total_seconds(), "pins/s")
    yield Figure(f"{name}_unknown", ended["unknown"], "pins", None if killing else at_most(0))
    yield Figure(f"{name}_lost", each * INSTANCES - ended["done"] - ended["unknown"], "pins", at_most(0))
    # One that was said to be unknown may have been sent; none is sent twice.
    yield Figure(f"{name}_doubled", max(0, sum(sent.values()) - ended["done"] - ended["unknown"]), "pins", at_most(0))


def _slowly(states: Any) -> Counter[str]:
    """Looking has its price too, on the same machine."""
    time.sleep(1)
    found: Counter[str] = states()
    return found


def _time(value: Any) -> datetime:
    """SQLite has times as text, in UTC."""
    at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
