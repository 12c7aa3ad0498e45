"""A real portal whose machine's clock is set while it runs: a day ahead, back again, a day back, five years ahead.

What asks libc for the time of day, which is all of Python and its SQLite, gets
it from a few lines of C, with so many seconds added as a file says; the steady
clocks stay as they are, as when somebody sets a clock. The Go library asks the
kernel by itself and keeps the real time.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.scene import Scene, open_scene, wait
from tests.loopback import Actor, LoopbackServer
from tests.receiver import Receiver, receiver

pytestmark = pytest.mark.slow

DAY = 86_400
YEARS = 5 * 365 * DAY

SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long long *offset;

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("CLOCK_OFFSET");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *found = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    if (found != MAP_FAILED) offset = found;
    close(file);
}

int clock_gettime(clockid_t which, struct timespec *at) {
    int failed = syscall(SYS_clock_gettime, which, at);
    if (!failed && offset && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) at->tv_sec += *offset;
    return failed;
}

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


class Clock:
    """The portal's machine's."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("NOT RUN: a clock that can be set needs a C compiler")
        library, self._file = folder / "clock.so", folder / "offset"
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), "-xc", "-"]
        subprocess.run(command, input=SOURCE, text=True, check=True)
        self._file.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(self._file)}

    def set(self, offset: int) -> None:
        """So many seconds from the real time; in place, for all processes at once."""
        with open(self._file, "r+b", buffering=0) as file:
            file.write(offset.to_bytes(8, "little", signed=True))


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    return Clock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def there() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture(scope="module")
def scene(clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("jumps")
    with LoopbackServer(folder / "whatsapp") as wa, open_scene(wa, folder, linked=True, **clock.environment) as made:
        yield made


@pytest.fixture(scope="module")
def bob(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Actor]:
    folder = tmp_path_factory.mktemp("bob")
    with Actor(scene.wa, scene.wa.account("Bob", phone="5511999990002"), folder) as actor:
        yield actor


def told(there: Receiver, path: str) -> list[str]:
    """The messages an address has heard of."""
    return [request.event["data"]["messageId"] for request in there.at(path)]


def works(scene: Scene, bob: Actor, words: str) -> str:
    """A message comes in and is pinned, soon, by the same connector under the same lease."""
    before = scene.portal.pids()["connector"], scene.instance("epoch")
    message_id = bob.send_text(scene.ana.jid, words)
    scene.stored(message_id)
    began = time.monotonic()
    assert scene.pin(message_id, "7d")[0] == 200
    assert time.monotonic() - began < 5
    assert (scene.portal.pids()["connector"], scene.instance("epoch")) == before
    return message_id


def test_it_works(scene: Scene, bob: Actor, clock: Clock, there: Receiver) -> None:
    body: dict[str, Any] = {"url": there.url("/ok"), "events": ["message.exchange"]}
    assert scene.portal.post("/api/webhook/add/shop", body, scene.token)[0] == 200
    scene.command(
        "shell", "--no-imports", "-c",
        "from instances.models import Instance; Instance.objects.update(keep_days=30)",
    )  # fmt: skip
    ids = [works(scene, bob, "before")]
    wait(lambda: told(there, "/ok") == ids, what="the event")
    for offset, words in ((DAY, "a day ahead"), (0, "as before"), (-DAY, "a day back"), (0, "as before, again")):
        clock.set(offset)
        ids.append(works(scene, bob, words))
        wait(lambda: told(there, "/ok") == ids, what=f"the event, {words}")
        time.sleep(3)  # Longer than half a lease.
        assert scene.portal.get("/readyz")[0] == 200
    for trouble in ("taken for dead", "off the air", "no longer ours", "Traceback"):
        assert trouble not in scene.portal.err, scene.portal.err
    # The caller of then wants it anew: that is no retry.
    sent = scene.pins_sent()
    clock.set(-DAY)
    assert scene.pin(ids[-1], "7d")[0] == 200
    assert scene.pins_sent() == sent + 1


def test_what_fails_is_tried_again_at_its_time(scene: Scene, bob: Actor, clock: Clock, there: Receiver) -> None:
    clock.set(0)
    body: dict[str, Any] = {"url": there.url("/first-not"), "events": ["message.exchange"]}
    there.answers["/first-not"] = 500
    assert scene.portal.post("/api/webhook/add/shop", body, scene.token)[0] == 200
    message_id = works(scene, bob, "told later")
    wait(lambda: told(there, "/first-not"), what="the first try")
    clock.set(-DAY)
    del there.answers["/first-not"]
    tries = len(there.at("/first-not"))
    wait(lambda: len(there.at("/first-not")) > tries, 90, "another try")
    assert set(told(there, "/first-not")) == {message_id}
    clock.set(0)


def test_five_years_ahead_and_back(scene: Scene, bob: Actor, clock: Clock) -> None:
    clock.set(0)
    message_id = works(scene, bob, "of today")
    wish = {"messageId": message_id, "unpinAt": in_days(2)}
    made = scene.portal.post("/api/chat/schedulePin/shop", wish, scene.token)
    assert made[0] == 200, made
    everything = scene.database.one("SELECT COUNT(*) FROM chats_message")
    sent = scene.pins_sent()
    clock.set(YEARS)
    # Longer than the housekeeping needs to come by everything it does.
    time.sleep(65)
    assert scene.portal.err.count("leapt ahead by 182") == 2, "the connector and the worker say so"
    assert scene.database.one("SELECT COUNT(*) FROM chats_message") == everything
    assert scene.pin_state(message_id) == "pinned"
    assert scene.pins_sent() == sent
    assert bob.send_text(scene.ana.jid, "then")
    clock.set(0)
    works(scene, bob, "of today, again")
    assert scene.database.one("SELECT COUNT(*) FROM chats_message") > everything
    assert scene.pin_state(message_id) == "pinned"
    assert scene.database.rows("SELECT state FROM chats_schedule") == [("waiting",)]
    assert "no longer ours" not in scene.portal.err


def in_days(days: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + days * DAY))
