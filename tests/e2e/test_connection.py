"""The connection through everything that befalls it: each state, its sentence, and the way back."""

# ruff: noqa: F811

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e import qr_in_terminal
from tests.e2e.own import bob, wa  # noqa: F401
from tests.e2e.scene import Scene, finish, open_scene, read_until, wait
from tests.loopback import Actor, LoopbackServer
from tests.processes import alive

pytestmark = pytest.mark.slow

# Without waiting for an acknowledgement, which would be four seconds here.
AT_ONCE = 3


@pytest.fixture(scope="module")
def scene(wa: LoopbackServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with open_scene(wa, tmp_path_factory.mktemp("connection")) as made:
        yield made


@pytest.fixture(autouse=True)
def connected(scene: Scene, bob: Actor, wa: LoopbackServer) -> None:
    """Each test finds the instance connected, whatever the one before did."""
    wa.refuse_connections(False)
    if not scene.instance("jid"):
        link_by_qr(scene, bob)
    elif scene.instance("state") != "connected":
        scene.ask("connect")
    await_state(scene, "connected")


def await_state(scene: Scene, *states: str, seconds: float = 60) -> None:
    wait(lambda: scene.instance("state") in states, seconds, f"state {states}, not {scene.instance('state')},")


def sentence(scene: Scene) -> str:
    """What the portal tells people of the instance."""
    return scene.command("shell", "--no-imports", "-c", "from instances.models import Instance as I;"
                         "print(I.objects.get(name='shop').sentence)").strip()  # fmt: skip


def link_by_qr(scene: Scene, bob: Actor) -> None:
    """Scan the code that `pair` draws in the terminal, as a camera sees it.

    Bob's client still knows the old device: whatsmeow ignores the news of the
    new one (it keeps the list under the LID and looks under the number), and
    learns from the acknowledgement of his next message that somebody was missed.
    """
    pairing = scene.begin_command("pair", "shop")
    scene.ana.scan(qr_in_terminal.from_output(pairing))
    assert "Linked to 5511999990001" in finish(pairing)
    bob.send_text(scene.ana.jid, "to the old device")


def kill(pid: int) -> None:
    """End a process at once, and wait until its connections are gone with it."""
    os.kill(pid, signal.SIGKILL)
    wait(lambda: not alive(pid), what="the process's end")
    time.sleep(0.1)


@contextmanager
def killed(scene: Scene, name: str) -> Iterator[int]:
    """End one of the portal's processes at once; it is started anew when the block ends, however long that takes."""
    old = scene.portal.pids()[name]
    scene.portal.process.send_signal(signal.SIGSTOP)
    try:
        kill(old)
        time.sleep(0.5)  # Whoever was connected to it hears of it.
        yield old
    finally:
        scene.portal.process.send_signal(signal.SIGCONT)


def device(scene: Scene) -> int:
    """The number under which the portal is linked."""
    return max(scene.ana.devices())


def must_pin(scene: Scene, bob: Actor, text: str) -> None:
    message_id = bob.send_text(scene.ana.jid, text)
    scene.stored(message_id)
    assert scene.pin(message_id, "24h")[0] == 200


def test_it_works_after_a_restart_of_everything(scene: Scene, bob: Actor) -> None:
    scene.portal.stop()
    scene.start()
    await_state(scene, "connected")
    assert len(scene.ana.devices()) == 1, "no new code was needed"
    must_pin(scene, bob, "after the restart")


def test_what_arrived_while_the_portal_was_stopped(scene: Scene, bob: Actor) -> None:
    scene.portal.stop()
    ids = [bob.send_text(scene.ana.jid, f"night letter {number}") for number in range(5)]
    scene.start()
    for message_id in ids:
        scene.stored(message_id)


def test_killed_connector(scene: Scene, bob: Actor) -> None:
    message_id = bob.send_text(scene.ana.jid, "pin me while it is dead")
    scene.stored(message_id)
    with killed(scene, "connector") as old:
        began = time.monotonic()
        status, answer = scene.pin(message_id, "7d")
        assert (status, answer["error"]["message"]) == (500, "WhatsApp client is not connected")
        assert time.monotonic() - began < AT_ONCE
        assert scene.portal.get("/healthz")[0] == 200
        assert scene.portal.get("/")[0] < 400
    wait(lambda: scene.portal.pids().get("connector", old) != old, what="a new connector")
    wait(lambda: scene.pin(message_id, "7d")[0] == 200, what="a pin by the new connector")


def test_killed_nats(scene: Scene, bob: Actor) -> None:
    message_id = bob.send_text(scene.ana.jid, "pin me through another server")
    scene.stored(message_id)
    with killed(scene, "nats") as old:
        status, answer = scene.pin(message_id, "7d")
        assert (status, answer["error"]["message"]) == (500, "WhatsApp client is not connected")
    wait(lambda: scene.portal.pids().get("nats", old) != old, what="a new nats-server")
    wait(lambda: scene.pin(message_id, "7d")[0] == 200, what="a pin through it")


def test_killed_web(scene: Scene, bob: Actor) -> None:
    message_id = bob.send_text(scene.ana.jid, "pin me after a crash of the pages")
    scene.stored(message_id)
    kill(scene.portal.pids()["web"])
    # The socket stays open: the call waits for the new process.
    assert scene.pin(message_id, "7d")[0] == 200


def test_dropped_connection(scene: Scene, bob: Actor, wa: LoopbackServer) -> None:
    wa.refuse_connections()
    scene.ana.drop(device(scene))
    await_state(scene, "disconnected")
    assert "keeps trying by itself" in sentence(scene)
    message_id = bob.send_text(scene.ana.jid, "while the line is down")
    wa.refuse_connections(False)
    await_state(scene, "connected")
    scene.stored(message_id)
    must_pin(scene, bob, "after the drop")


def test_what_others_did_to_pins_while_the_line_was_down(scene: Scene, bob: Actor, wa: LoopbackServer) -> None:
    unpinned, deleted, pinned = (bob.send_text(scene.ana.jid, f"told later: {what}") for what in "abc")
    for message_id in (unpinned, deleted, pinned):
        scene.stored(message_id)
    for message_id in (unpinned, deleted):
        assert scene.pin(message_id, "7d")[0] == 200
    wa.refuse_connections()
    scene.ana.drop(device(scene))
    await_state(scene, "disconnected")
    bob.unpin(scene.ana.jid, unpinned, from_me=True)
    bob.delete(scene.ana.jid, deleted)
    bob.pin(scene.ana.jid, pinned, 86_400, from_me=True)
    assert [scene.pin_state(one) for one in (unpinned, deleted)] == ["pinned"] * 2, "nobody knows of it yet"
    wa.refuse_connections(False)
    await_state(scene, "connected")
    states = ["unpinned", "unpinned", "pinned"]
    wait(lambda: [scene.pin_state(one) for one in (unpinned, deleted, pinned)] == states, what="the truth")


def test_not_connected(scene: Scene, bob: Actor) -> None:
    message_id = bob.send_text(scene.ana.jid, "pin me while paused")
    scene.stored(message_id)
    scene.ask("disconnect")
    assert scene.instance("state") == "paused"
    began = time.monotonic()
    status, answer = scene.pin(message_id, "7d")
    assert (status, answer["error"]["message"]) == (500, "WhatsApp client is not connected")
    assert time.monotonic() - began < AT_ONCE
    assert scene.pin_state(message_id) == "failed"
    scene.portal.stop()
    scene.start()
    time.sleep(2)
    assert scene.instance("state") == "paused", "paused stays paused through a restart"
    scene.ask("connect")
    await_state(scene, "connected")
    assert scene.pin(message_id, "7d")[0] == 200


def test_unlinked_on_the_phone(scene: Scene, bob: Actor) -> None:
    scene.ana.unlink(device(scene))
    await_state(scene, "logged_out")
    assert "Link it again" in sentence(scene)
    assert scene.instance("jid") == ""
    link_by_qr(scene, bob)
    must_pin(scene, bob, "linked anew")


def test_unlinked_while_the_portal_was_stopped(scene: Scene) -> None:
    scene.portal.stop()
    scene.ana.unlink(device(scene))
    scene.start()
    await_state(scene, "logged_out")


def test_logout(scene: Scene) -> None:
    scene.ask("logout")
    wait(lambda: not scene.ana.devices(), what="the phone's list of devices to be empty")
    assert scene.instance("state") == "unlinked"
    assert not list((scene.folder / "data" / "sessions").glob("*.sqlite3*")), "the keys are gone"


def test_replaced_by_another_connection(scene: Scene, bob: Actor) -> None:
    scene.ana.stream_replaced(device(scene))
    await_state(scene, "replaced")
    assert "took the connection over" in sentence(scene)
    time.sleep(3)
    assert scene.instance("state") == "replaced", "two that replace each other in turn would never end"
    scene.ask("connect")
    await_state(scene, "connected")
    must_pin(scene, bob, "taken back")


def test_banned_for_a_while(scene: Scene, bob: Actor) -> None:
    # Long enough to ask for the sentence, by a process that has to start.
    scene.ana.ban(expire=20, times=1)
    await_state(scene, "banned")
    assert "has suspended this number" in sentence(scene)
    await_state(scene, "connected")
    must_pin(scene, bob, "after the ban")


@pytest.mark.parametrize(("code", "words"), [(403, "locked this account"), (406, "banned this number")])
def test_banned_for_good(scene: Scene, code: int, words: str) -> None:
    scene.ana.fail_logins(code, times=1)
    await_state(scene, "banned")
    assert words in sentence(scene)
    assert scene.instance("jid") == "", "the library has deleted the keys"


def test_a_failure_the_library_cannot_name(scene: Scene, bob: Actor) -> None:
    """neonize's event loop ends when WhatsApp gives a reason it does not know: a new client is started."""
    scene.ana.fail_logins(418, times=1)
    await_state(scene, "disconnected", "connected")
    await_state(scene, "connected")
    must_pin(scene, bob, "after a failure of the library")


def test_outdated(scene: Scene) -> None:
    scene.ana.outdated(times=1)
    await_state(scene, "outdated")
    assert "Upgrade the portal" in sentence(scene)


def test_session_files_are_nobodys_business(scene: Scene) -> None:
    folder = scene.folder / "data" / "sessions"
    assert folder.stat().st_mode & 0o777 == 0o700
    files = list(folder.iterdir())
    assert files
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_pair_says_that_a_phone_is_linked_already(scene: Scene) -> None:
    assert "linked already" in scene.command("pair", "shop")


def test_pair_without_a_portal_says_what_to_do(scene: Scene) -> None:
    scene.portal.stop()
    try:
        done = scene.portal.manage("pair", "shop")
    finally:
        scene.start()
    assert done.returncode == 1
    assert "Start the portal (make run)" in done.stderr
    assert "Traceback" not in done.stderr


def read_codes(pairing: subprocess.Popen[str], count: int) -> None:
    """Read so many codes, each another one, as they are drawn."""
    assert pairing.stdout is not None
    texts: set[str] = set()
    drawing = ""
    while len(texts) < count:
        line = pairing.stdout.readline()
        assert line, f"only {len(texts)} codes were drawn, and then: {drawing[-500:]}"
        drawing += line
        if text := qr_in_terminal.read(drawing):
            texts.add(text)
            drawing = ""


def test_pair_draws_a_new_code_when_the_old_one_has_run_out(scene: Scene, wa: LoopbackServer) -> None:
    scene.command("createinstance", "patient")
    wa.qr(count=2, first=2, others=2)
    try:
        pairing = scene.begin_command("pair", "patient", "--timeout", "180")
        read_codes(pairing, 3)  # The third is of a second connection: the first one has run out of codes.
    finally:
        wa.qr()
        pairing.send_signal(signal.SIGINT)
        pairing.communicate(timeout=60)


def test_pair_goes_on_when_the_connector_is_another_one(scene: Scene) -> None:
    scene.command("createinstance", "steady")
    pairing = scene.begin_command("pair", "steady", "--timeout", "180")
    try:
        read_codes(pairing, 1)
        os.kill(scene.portal.pids()["connector"], signal.SIGKILL)
        read_codes(pairing, 1)
    finally:
        pairing.send_signal(signal.SIGINT)
        pairing.communicate(timeout=60)


def test_ctrl_c_in_pair(scene: Scene) -> None:
    scene.command("createinstance", "second")
    pairing = scene.begin_command("pair", "second")
    read_until(pairing, "(Linked devices)")
    pairing.send_signal(signal.SIGINT)
    out, _ = pairing.communicate(timeout=60)
    assert "Traceback" not in out, out
    assert "nothing is linked" in out


def test_the_pairing_code_wants_an_international_number(scene: Scene) -> None:
    scene.command("createinstance", "third")
    done: subprocess.CompletedProcess[str] = scene.portal.manage("pair", "third", "--phone", "011")
    assert done.returncode == 1
    assert "international form" in done.stderr
