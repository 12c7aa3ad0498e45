"""Five hundred callers at once, on the machine's two cores with all that belongs to the measurement.

The portal, the loopback WhatsApp, the contact's client and the callers share
the machine. More is asked for than can be done: what is refused must be
refused soon and honestly, and what is done must be right. LOAD_CALLERS (500),
LOAD_SECONDS (60), LOAD_INSTANCES (20).
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from statistics import median, quantiles
from typing import Any

from tests.bench.fleets.instances import Fleet
from tests.bench.loading import plan
from tests.bench.registry import Figure, at_least, at_most, bench
from tests.bench.soaking.traffic import pins_seen
from tests.bench.stage import stage
from tests.e2e.scene import Scene
from tests.kills.house import until
from tests.loopback import Actor
from tests.portal_process import ROOT

CALLERS = int(os.environ.get("LOAD_CALLERS", "500"))
SECONDS = float(os.environ.get("LOAD_SECONDS", "60"))
INSTANCES = int(os.environ.get("LOAD_INSTANCES", "20"))
SLOWEST = 2.0
# Of what polite callers within their limits asked for: refusing everything is no way to be quick.
SHARE = 0.5
SETTLE_SECONDS = 60.0


@bench("load")
def load() -> Iterator[Figure]:
    """Programs that pin, search, list and read, strangers, people, and some who share a token and hear of its limit."""
    # The limits are those of a portal that nobody has set up.
    with stage(API_RATE="100/m", ACK_TIMEOUT_SECONDS="15") as (scene, _):
        carla = Actor(scene.wa, scene.wa.account("Carla", "5511999990003", phone_listed=False), scene.folder)
        with carla:
            fleet = Fleet(scene, carla)
            fleet.grow(INSTANCES)
            plans = plan.callers(scene, carla, fleet, CALLERS)
            before = pins_seen(carla)
            told = _called(scene, plans)
            yield from _answers(plans, told)
            yield from _pins(carla, told, before)


def _called(scene: Scene, plans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What each caller was told."""
    said = json.dumps({"port": scene.portal.port, "seconds": SECONDS, "callers": plans})
    command = [sys.executable, "-m", "tests.bench.loading.callers"]
    done = subprocess.run(
        command, cwd=ROOT, input=said, stdout=subprocess.PIPE, text=True, check=True, timeout=SECONDS + 120
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def _answers(plans: list[dict[str, Any]], told: list[dict[str, Any]]) -> Iterator[Figure]:
    answers = [(kind, *answer) for one in told for kind, answer in ((one["kind"], a) for a in one["answers"])]
    statuses = Counter(status for _, _, status, _ in answers)
    yield Figure("load_callers", len(told), "callers")
    yield Figure("load_answers", len(answers) / SECONDS, "answers/s")
    for status, count in sorted(statuses.items()):
        yield Figure(f"load_answers_{status}", count, "answers")
    for name in sorted({name for _, name, _, _ in answers}):
        good = [seconds for _, asked, status, seconds in answers if asked == name and status not in (429, 503)]
        if len(good) > 1:
            yield Figure(f"load_{name}_answered_p50", median(good), "s")
            yield Figure(f"load_{name}_answered_p99", quantiles(good, n=100)[98], "s")
    within = [
        status
        for one, planned in zip(told, plans, strict=True)
        if one["kind"] != "sharing" and not planned["rude"]
        for asked, status, _ in one["answers"]
        if asked != "stranger"
    ]
    yield Figure("load_share_done", 1 - sum(s in (429, 503) for s in within) / len(within), "of 1", at_least(SHARE))
    late = [seconds for *_, seconds in answers]
    yield Figure("load_p50", median(late), "s")
    yield Figure("load_p99", quantiles(late, n=100)[98], "s", at_most(SLOWEST))
    yield Figure("load_longest", max(late), "s")
    wrong = [text for one in told for text in one["wrong"]]
    for text in wrong[:20]:
        print(text, file=sys.stderr)
    yield Figure("load_wrong", len(wrong), "answers", at_most(0))
    yield Figure("load_broken", sum(one["broken"] for one in told), "connections", at_most(0))
    yield Figure("load_hung", sum(one["hung"] for one in told), "callers", at_most(0))
    unheard = sum(not one["answers"] for one in told)
    yield Figure("load_unheard", unheard, "callers", at_most(0))


def _pins(carla: Actor, told: list[dict[str, Any]], before: Counter[tuple[str, int]]) -> Iterator[Figure]:
    """What was said of pins against what the contact saw."""
    said, unknown = (
        Counter((message_id, seconds) for one in told for message_id, seconds in one[name])
        for name in ("pinned", "unknown")
    )
    until(lambda: said <= pins_seen(carla) - before, SETTLE_SECONDS)
    seen = pins_seen(carla) - before
    yield Figure("load_pins", said.total(), "pins")
    yield Figure("load_pins_a_second", said.total() / SECONDS, "pins/s")
    yield Figure("load_pins_unknown", unknown.total(), "pins")
    yield Figure("load_pins_said_not_done", (said - seen).total(), "pins", at_most(0))
    # Refused, and done all the same; or done twice.
    yield Figure("load_pins_done_not_said", (seen - said - unknown).total(), "pins", at_most(0))
