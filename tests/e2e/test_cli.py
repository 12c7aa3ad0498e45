"""Each command of `portal-cli`, against the running portal and a loopback WhatsApp."""

import json
import re
import subprocess
import threading
from pathlib import Path

import pytest

from tests.e2e import qr_in_terminal
from tests.e2e.scene import Scene, pins_of, wait
from tests.loopback import Actor, LoopbackServer
from tests.portal_cli import Cli

pytestmark = pytest.mark.slow


def test_a_pin_and_its_end(scene: Scene, bob: Actor, cli: Cli) -> None:
    message_id = bob.send_text(scene.ana.jid, "the parcel stands behind the shed")
    scene.stored(message_id)
    line = cli.ok("search", "shop", '"behind the shed"', "from:bob")
    assert line.startswith(f"{message_id}  20")
    assert line.endswith("Bob  the parcel stands behind the shed\n")
    found = cli.json("search", "shop", '"behind the shed"', "from:bob")
    assert [one["messageId"] for one in found["messages"]] == [message_id]

    assert cli.ok("pin", "shop", message_id, "--for", "24h") == "Message pinned successfully\n"
    wait(lambda: pins_of(bob, message_id), what="the pin at Bob's")
    rows = [line for line in cli.ok("pins", "shop").splitlines() if line.startswith(message_id)]
    assert len(rows) == 1
    assert "  pinned  until 20" in rows[0]
    answer = cli.json("pins", "shop", "--chat", bob.account.phone, "--state", "pinned", "--limit", "500")
    assert [one["duration"] for one in answer["pins"] if one["message"]["messageId"] == message_id] == [86400]

    assert cli.json("unpin", "shop", message_id)["pinned"] is False
    assert cli.json("pin", "shop", message_id, "--for", "30d")["duration"] == "30d"
    assert cli.json("unpin", "shop", message_id)["pinned"] is False
    assert scene.pin_state(message_id) == "unpinned"
    assert message_id not in cli.ok("pins", "shop")


def test_what_cannot_be_pinned(cli: Cli) -> None:
    # Was red: 5, on which a script may try again.
    assert cli.run("pin", "shop", "3EB0NONE") == (4, "", "message with ID 3EB0NONE not found\n")
    assert cli.run("unpin", "shop", "3EB0NONE") == (4, "", "message with ID 3EB0NONE not found\n")
    assert cli.run("pin", "nobody's", "3EB0NONE") == (4, "", "Instance not found\n")
    assert cli.run("pin", "a?b c", "3EB0NONE") == (4, "", "Instance not found\n")


def test_a_text_and_a_reply(scene: Scene, bob: Actor, cli: Cli) -> None:
    asked = bob.send_text(scene.ana.jid, "and the key?")
    scene.stored(asked)
    sent = cli.ok(
        "send", "shop", bob.account.phone, "-", "--quote", asked, typed="Under the mat.\nThe left one."
    ).strip()
    heard = wait(lambda: [event for event in bob.received() if event["id"] == sent], what="the text at Bob's")
    assert heard[0]["message"]["extendedTextMessage"]["text"] == "Under the mat.\nThe left one."
    # Of strangers' line breaks nothing is left in the list.
    lines = cli.ok("history", "shop", bob.jid, "--limit", "1").splitlines()
    assert len(lines) == 1
    assert lines[0].endswith("me  Under the mat. The left one.")
    said = cli.json("history", "shop", bob.jid, "--limit", "1")["messages"]
    assert [one["text"] for one in said] == ["Under the mat.\nThe left one."]
    code, _, err = cli.run("send", "shop", "5511000000000", "hello?")
    assert (code, err) == (1, "Number is not on WhatsApp\n")


def test_chats_and_pages(scene: Scene, bob: Actor, cli: Cli) -> None:
    for number in range(3):
        scene.stored(bob.send_text(scene.ana.jid, f"page number {number}"))
    assert re.search(rf"^{bob.jid}  20.*  Bob$", cli.ok("chats", "shop", "bob"), re.MULTILINE)
    assert bob.jid in [one["jid"] for one in cli.json("chats", "shop", "bob")["chats"]]
    code, out, err = cli.run("search", "shop", "page", "number", "--limit", "2")
    assert (code, len(out.splitlines())) == (0, 2)
    cursor = re.search(r"--cursor (\S+)", err)[1]  # type: ignore[index]
    assert "page number 0" in cli.ok("search", "shop", "page", "number", "--cursor", cursor)
    code, out, err = cli.run("search", "shop", "parcle")
    assert (code, out) == (0, "")
    assert err.startswith("Nothing is found.")


def test_events_as_they_happen(scene: Scene, bob: Actor, cli: Cli) -> None:
    message_id = bob.send_text(scene.ana.jid, "watch this")
    scene.stored(message_id)
    process = cli.begin("--json", "events", "shop", "--only", "message.pin", "--count", "1")
    assert process.stderr is not None
    assert process.stderr.readline() == "Listening to shop; Ctrl-C ends it.\n"
    assert scene.pin(message_id, "24h")[0] == 200
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    event = json.loads(out)
    assert event["event"] == "message.pin"
    assert message_id in out
    process = cli.begin("events", "shop", "--only", "message.pin", "--count", "1")
    assert process.stderr is not None
    process.stderr.readline()
    assert scene.pin(message_id)[0] == 200
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert "message.pin" in out
    assert not out.startswith("{")
    code, _, err = cli.run("events", "nobody's")
    assert (code, err) == (4, "Instance not found\n")
    assert cli.run("events", "shop", "--only", "dream")[0] == 1


def test_who_may_not(scene: Scene, cli: Cli, tmp_path: Path) -> None:
    stranger = Cli(tmp_path, scene.portal.url, "wap_of-nobody")
    assert stranger.run("instances", "list") == (3, "", "Invalid token\n")
    of_shop = Cli(tmp_path, scene.portal.url, scene.token)
    assert of_shop.run("search", "desk", "x")[::2] == (3, "Instance token does not match the requested instance\n")
    assert of_shop.run("instances", "new", "another")[::2] == (3, "An account token is needed to create instances\n")


def test_an_instances_life_with_a_qr_code(scene: Scene, wa: LoopbackServer, cli: Cli, tmp_path: Path) -> None:
    eva = wa.account("Eva", phone="5511999990071")
    saved = tmp_path / "token"
    code, out, _ = cli.run("instances", "new", "by qr", "--save", str(saved))
    assert (code, out) == (0, "")
    assert saved.stat().st_mode & 0o777 == 0o600
    assert cli.run("instances", "new", "by qr 2", "--save", str(saved))[0] == 2, "it overwrites nothing"
    assert cli.run("instances", "new", "by qr", "--save", str(tmp_path / "x"))[0] == 1
    assert not (tmp_path / "x").exists()

    own = Cli(tmp_path, scene.portal.url)
    process = own.begin("--token-file", str(saved), "instances", "link", "by qr")
    seen = Reader(process)
    eva.scan(wait(lambda: qr_in_terminal.read(seen.text), what="the QR code"))
    assert process.wait(90) == 0
    seen.join()
    assert "Linked to 5511999990071." in seen.text
    assert re.search(r"^by qr +connected +5511999990071 ", cli.ok("instances", "list", "by qr"))

    assert cli.ok("instances", "logout", "by qr") == "Instance logged out successfully\n"
    assert cli.json("instances", "list", "by qr")["instances"][0]["state"] == "unlinked"
    assert cli.run("instances", "delete", "by qr", typed="n\n")[0] == 1
    assert cli.ok("instances", "delete", "by qr", typed="y\n") == "Instance deleted successfully\n"
    assert cli.run("instances", "list", "by qr")[0] == 4


def test_a_pairing_code_in_json(wa: LoopbackServer, cli: Cli) -> None:
    fred = wa.account("Fred", phone="5511999990072")
    assert cli.json("instances", "new", "by code")["instance"]["token"].startswith("wap_")
    process = cli.begin("--json", "instances", "link", "by code", "--phone", f"+{fred.phone}")
    seen = Reader(process)
    wait(lambda: "\n" in seen.text, what="the code")
    fred.enter_code(json.loads(seen.text.splitlines()[0])["pairingCode"])
    assert process.wait(90) == 0
    seen.join()
    assert json.loads(seen.text.splitlines()[-1])["numberJid"] == fred.jid
    assert cli.ok("instances", "delete", "by code", "--yes") == "Instance deleted successfully\n"


class Reader(threading.Thread):
    """What a running command has printed so far."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        super().__init__(daemon=True)
        self.process, self.text = process, ""
        self.start()

    def run(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.text += line
