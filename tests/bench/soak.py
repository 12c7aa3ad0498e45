"""Whether anything grows, is lost or complains while fifty instances are used for an hour.

SOAK_MINUTES (60), SOAK_INSTANCES (50). SOAK_PACE (3): how many hours' use go into an hour, at 20 messages a second:
what grows by use grows as much faster. SOAK_FILE: where the samples go as CSV, for a picture of them.
"""

import csv
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from statistics import fmean

from tests.bench.fleets.instances import Fleet
from tests.bench.registry import Figure, at_least, at_most, bench
from tests.bench.soaking.samples import KINDS, Samples
from tests.bench.soaking.slope import slope
from tests.bench.soaking.traffic import RATE, Traffic
from tests.bench.stage import stage
from tests.e2e.scene import Scene
from tests.kills.house import until
from tests.loopback import Actor
from tests.portal_process import PortalProcess
from tests.receiver import receiver

MINUTES = float(os.environ.get("SOAK_MINUTES", "60"))
INSTANCES = int(os.environ.get("SOAK_INSTANCES", "50"))
PACE = float(os.environ.get("SOAK_PACE", "3"))
# The library remembers for each client what it sent last, some kB each, in case it must be sent again (whatsmeow:
# retry.go). At one pin a second fifty clients would need four hours until that is full, and the memory would rise.
REMEMBERED = 256
# Of the time: caches fill.
WARM_UP = 0.25
SAMPLES = 60
# Before these samples, in the warm-up, nothing goes on for a while (much shorter than a lease), and then everything at
# once. Go ends no thread: without it the slowest moment of the disk decides how many there are, and it may come late.
STANDSTILLS = (2, 4, 6)
STANDSTILL_SECONDS = 2.0
WEBHOOKS = 10
# A leap may be a tenth of what was there, or this much (MiB, descriptors, threads).
MOST_GROWTH, LEAST_GROWTH = 0.1, 3.0
# What says nothing in the whole time. Go and glibc take memory and give it back in pieces: an hour in which NATS went
# from 6.6 to 6.8 MiB ended with 6.5. SQLite keeps the descriptors of a closed connection for the next one to the same
# file, so a moment in which three more threads had work leaves three.
RESOLUTION = {"memory": 0.5, "descriptors": 3.0, "threads": 1.0}
SETTLE_SECONDS = 60.0
STORED = """
    SELECT i.name, m.message_id, m.kind FROM chats_message m JOIN instances_instance i ON i.id = m.instance_id
    WHERE NOT m.from_me
"""
FAULT = re.compile(r"\b(?:ERROR|CRITICAL)\b|^Traceback|\[(?:ERR|FTL)\]|^(?:panic|fatal error):", re.MULTILINE)


@bench("soak")
def soak() -> Iterator[Figure]:
    """Messages come in, pins go out, webhooks are delivered, people search and read, and listen to the news."""
    # The scene's own limit is for tests that wait for it.
    with stage(ACK_TIMEOUT_SECONDS="15") as (scene, bob), receiver() as hooks:
        carla = Actor(scene.wa, scene.wa.account("Carla", "5511999990003", phone_listed=False), scene.folder)
        with carla:
            fleet = Fleet(scene, carla)
            fleet.grow(INSTANCES)
            fleet.pin_often(REMEMBERED)
            traffic = Traffic(scene, bob, carla, fleet, PACE)
            hook = {"url": hooks.url("/ok"), "events": ["message.exchange", "message.pin"]}
            for name in list(fleet.jids)[:WEBHOOKS]:
                made = scene.portal.post(f"/api/webhook/add/{name}", hook, traffic.token)
                assert made[0] == 200, made
            samples = _sampled(scene)
            traffic.end()
            took = time.monotonic() - traffic.began
            yield from _kept(scene, traffic, took)
            yield Figure("soak_webhook_events", len(hooks.at("/ok")), "events")
            yield from _slopes(samples)
            yield from _said(scene, samples)


def _sampled(scene: Scene) -> Samples:
    """The samples of the whole time."""
    samples = Samples(scene.portal)
    began = time.monotonic()
    for number in range(SAMPLES + 1):
        if number in STANDSTILLS:
            _stand_still(scene.portal)
        time.sleep(max(began + number * MINUTES * 60 / SAMPLES - time.monotonic(), 0))
        samples.take()
        print(samples, file=sys.stderr, flush=True)
    if path := os.environ.get("SOAK_FILE"):
        with open(path, "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["second", *(f"{name} {kind}" for name in samples.rows for kind in KINDS)])
            columns = [samples.rows[name][kind] for name in samples.rows for kind in KINDS]
            table.writerows(zip(samples.seconds, *columns, strict=True))
    return samples


def _stand_still(portal: PortalProcess) -> None:
    pids = [pid for name, pid in portal.pids().items() if name in ("connector", "worker")]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(STANDSTILL_SECONDS)
    finally:
        # Whoever stops the soak meanwhile must be able to end them.
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _kept(scene: Scene, traffic: Traffic, took: float) -> Iterator[Figure]:
    """What was written against what is stored, and what was said of pins against what the contact saw."""
    sent = set(traffic.sent)
    until(lambda: sent <= {(name, one) for name, one, _ in scene.database.rows(STORED)}, SETTLE_SECONDS)
    until(lambda: traffic.pins <= traffic.pins_seen(), SETTLE_SECONDS)
    rows = scene.database.rows(STORED)
    copies = Counter((name, one) for name, one, _ in rows)
    readable = {(name, one) for name, one, kind in rows if kind == "text"}
    seen = traffic.pins_seen()
    yield Figure("soak_messages", len(sent), "messages")
    # Who writes waits for WhatsApp's acknowledgement of each.
    yield Figure("soak_rate", len(sent) / took, "messages/s", at_least(RATE * PACE * 0.95))
    yield Figure("soak_messages_lost", len(sent - readable), "messages", at_most(0))
    yield Figure("soak_messages_doubled", sum(copies[one] > 1 for one in sent), "messages", at_most(0))
    yield Figure("soak_pins", traffic.pins.total(), "pins")
    yield Figure("soak_pins_said_not_done", (traffic.pins - seen).total(), "pins", at_most(0))
    yield Figure("soak_pins_done_not_said", (seen - traffic.pins).total(), "pins", at_most(0))
    for kind, count in sorted(traffic.answers.items()):
        yield Figure(f"soak_answers_{kind.replace(' ', '_')}", count, "answers")
    for text in traffic.wrong[:20]:
        print(text, file=sys.stderr)
    yield Figure("soak_answers_wrong", len(traffic.wrong), "answers", at_most(0))


def _slopes(samples: Samples) -> Iterator[Figure]:
    """After the warm-up; the bar is the noise of each row (`tests.bench.soaking.slope`)."""
    first = int(len(samples.seconds) * WARM_UP)
    for name, kinds in samples.rows.items():
        for kind, unit in KINDS.items():
            row = kinds[kind][first:]
            found = slope(samples.seconds[first:], row, RESOLUTION.get(kind, 0.0))
            yield Figure(f"soak_{name}_{kind}", row[-1], unit)
            # What is mapped of the database grows with it, as it should.
            bar = None if kind == "rss" else at_most(found.noise)
            yield Figure(f"soak_{name}_{kind}_slope", found.rise, f"{unit}/h", bar)
            # A single leap is no slope, and no good either: the last quarter against the first.
            quarter = max(len(row) // 4, 1)
            before, after = fmean(row[:quarter]), fmean(row[-quarter:])
            most = None if kind == "rss" else at_most(max(before * MOST_GROWTH, LEAST_GROWTH))
            yield Figure(f"soak_{name}_{kind}_growth", after - before, unit, most)


def _said(scene: Scene, samples: Samples) -> Iterator[Figure]:
    log = scene.portal.err + (scene.portal.data_dir / "nats" / "nats.log").read_text()
    faults = [line for line in log.splitlines() if FAULT.search(line)]
    for line in faults[:20]:
        print(line, file=sys.stderr)
    yield Figure("soak_log_errors", len(faults), "lines", at_most(0))
    yield Figure("soak_log_warnings", len(re.findall(r"\bWARNING\b", log)), "lines")
    yield Figure("soak_restarts", samples.restarts, "processes", at_most(0))
