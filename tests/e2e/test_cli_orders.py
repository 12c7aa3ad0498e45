"""`portal-cli` with what looks after pins: plans, many together, rules, figures; each command against the portal."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.scene import Scene, pins_of, wait
from tests.loopback import Actor
from tests.portal_cli import Cli

pytestmark = pytest.mark.slow
DAY = timedelta(days=1)


def said(scene: Scene, bob: Actor, text: str) -> str:
    message_id = bob.send_text(scene.ana.jid, text)
    scene.stored(message_id)
    return message_id


def test_a_plan(scene: Scene, bob: Actor, cli: Cli) -> None:
    message_id = said(scene, bob, "the fair is on Saturday")
    at = (datetime.now(UTC) + DAY).strftime("%Y-%m-%dT%H:%M")
    plan = cli.ok("schedules", "add", "shop", message_id, "--at", at, "--for", "24h").strip()
    listed = cli.ok("schedules", "list", "shop", "--message", message_id)
    assert listed == f"{plan}  waiting  pin  {at.replace('T', ' ')}    24h    {message_id}  the fair is on Saturday\n"
    assert cli.ok("schedules", "cancel", "shop", plan) == "Schedule cancelled successfully\n"
    assert cli.ok("schedules", "list", "shop", "--message", message_id) == ""
    assert "  cancelled  " in cli.ok("schedules", "list", "shop", "--message", message_id, "--state", "all")
    code, _, err = cli.run("schedules", "add", "shop", message_id, "--repeat", "* * * * *", "--for", "24h")
    assert (code, err) == (1, "Invalid request body: repeat must leave an hour between two pins\n")
    asked = ("--repeat", "0 9 * * 1-5", "--zone", "America/Sao_Paulo", "--for", "7d", "--chat", bob.account.jid)
    answer = cli.json("schedules", "add", "shop", message_id, *asked)["schedule"]
    assert (answer["repeat"], answer["timeZone"], answer["duration"]) == ("0 9 * * 1-5", "America/Sao_Paulo", "7d")
    assert "0 9 * * 1-5  7d" in cli.ok("schedules", "list", "shop", "--message", message_id)
    cli.ok("schedules", "cancel", "shop", answer["id"])


def test_many_together_and_the_time_line(scene: Scene, bob: Actor, cli: Cli) -> None:
    found = [said(scene, bob, f"wombat {number}") for number in range(2)]
    lines = cli.ok("search", "shop", "wombat").splitlines()
    typed = "".join(f"{line.split(' ')[0]}\n" for line in lines)
    batch = cli.ok("batches", "start", "shop", "pin", "-", "--for", "24h", typed=typed).strip()
    wait(lambda: pins_of(bob, found[0]) and pins_of(bob, found[1]), what="both pins at Bob's")
    (row,) = (line for line in cli.ok("batches", "list", "shop").splitlines() if line.startswith(batch))
    assert "pin  24h  2: " in row
    wait(lambda: cli.json("batches", "show", "shop", batch)["batch"]["state"] == "done", what="its end")
    _, out, err = cli.run("batches", "show", "shop", batch, "--state", "done")
    assert (sorted(line.split("  ")[0] for line in out.splitlines()), "2: 2 done" in err) == (sorted(found), True)
    for act in ("stop", "resume"):
        code, _, err = cli.run("batches", act, "shop", batch)
        assert (code, err) == (1, "Batch is over already: there is nothing left to stop or to resume\n")
    unpin = cli.json("batches", "start", "shop", "unpin", *found)["batch"]
    assert (unpin["action"], unpin["duration"]) == ("unpin", None)
    wait(lambda: [scene.pin_state(one) for one in found] == ["unpinned"] * 2, what="the unpins")

    line = cli.ok("pin-history", "shop", found[0]).splitlines()
    assert [re.split(r"  +", one)[1:3] for one in line] == [
        ["unpin", "acknowledged"], ["unpin", "asked"], ["pin", "acknowledged"], ["pin", "asked"],
    ]  # fmt: skip
    assert cli.run("pin-history", "shop", "3EB0NONE")[0] == 4


def test_a_rule(scene: Scene, bob: Actor, cli: Cli) -> None:
    said(scene, bob, "a quokka of the past")
    rule = cli.ok("rules", "add", "shop", "Quokkas", "message", "quokka", "--by", bob.account.phone).strip()
    (row,) = (line for line in cli.ok("rules", "list", "shop").splitlines() if line.startswith(rule))
    assert re.split(r"  +", row)[1:] == ["off", "Quokkas", "message", "quokka", bob.account.phone, "7d", "10 an hour"]
    code, out, err = cli.run("rules", "preview", "shop", rule)
    assert (code, out.strip().endswith("Bob  a quokka of the past"), err[:5]) == (0, True, "1 of ")
    assert cli.ok("rules", "on", "shop", rule) == "Rule switched on successfully\n"
    message_id = said(scene, bob, "another quokka")
    wait(lambda: scene.pin_state(message_id) == "pinned", what="the rule's pin")
    wait(lambda: f"{message_id}  done" in cli.ok("rules", "hits", "shop", rule), what="the hit")
    assert cli.ok("rules", "off", "shop", rule) == "Rule switched off successfully\n"
    assert cli.ok("rules", "delete", "shop", rule) == "Rule deleted successfully\n"
    assert cli.run("rules", "hits", "shop", rule) == (4, "", "Rule not found\n")
    assert cli.run("rules", "add", "shop", "All", "message")[0] == 1


def test_figures(scene: Scene, bob: Actor, cli: Cli) -> None:
    assert scene.pin(said(scene, bob, "counted"), "24h")[0] == 200
    lines = [re.split(r"  +", line.strip()) for line in cli.ok("figures", "shop", "--days", "2").splitlines()]
    assert lines[0] == ["done", "elsewhere", "failed", "unknown"]
    assert (lines[1][0], int(lines[1][1]) >= 1) == ("all", True)
    assert ["chat", "Bob"] in [line[:2] for line in lines]
    assert cli.json("figures", "shop")["counts"]["done"] >= 1
