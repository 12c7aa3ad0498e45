"""A piece of history of some kilobytes that is gigabytes when it is unpacked."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.e2e.scene import Scene, open_scene, wait
from tests.loopback import Actor, LoopbackServer

pytestmark = pytest.mark.slow

MB = 2**20
# What a small virtual machine has left for a portal; the bomb is some five times as large in the library.
CONTAINER = 1_500


class Container:
    """A control group with a limit, as a container is one."""

    def __init__(self, folder: Path, most: str, kills: str) -> None:
        self.folder, self._kills = folder, kills
        (folder / most).write_text(str(CONTAINER * MB))

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What is started meanwhile is in it, and stays."""
        was = _group_of_ours(self.folder)
        try:
            (self.folder / "cgroup.procs").write_text(str(os.getpid()))
            yield
        finally:
            (was / "cgroup.procs").write_text(str(os.getpid()))

    @property
    def killed(self) -> int:
        """How many processes the kernel ended in it because there was no more memory."""
        lines = [line.split() for line in (self.folder / self._kills).read_text().splitlines()]
        return next(int(line[1]) for line in lines if line[0] == "oom_kill")


@pytest.fixture
def container() -> Iterator[Container]:
    name = f"portal-test-{os.getpid()}"
    older, newer = Path("/sys/fs/cgroup/memory", name), Path("/sys/fs/cgroup", name)
    made = None
    for folder, most, kills in (
        (older, "memory.limit_in_bytes", "memory.oom_control"),
        (newer, "memory.max", "memory.events"),
    ):
        with suppress(OSError):
            folder.mkdir()
            made = Container(folder, most, kills)
            with made.inside():
                break
        with suppress(OSError):
            folder.rmdir()
    else:
        pytest.skip("NOT RUN: no control group with a limit for memory can be made here")
    yield made
    wait(lambda: not (made.folder / "cgroup.procs").read_text(), 60, "the end of all in it")
    made.folder.rmdir()


def test_what_a_container_has_is_the_limit(tmp_path: Path, container: Container) -> None:
    """By default: the connector ends, and nothing beside it."""
    with LoopbackServer(tmp_path / "whatsapp") as wa, ExitStack() as stack:
        with container.inside():
            scene = stack.enter_context(open_scene(wa, tmp_path / "scene"))
        beside = {name: pid for name, pid in scene.portal.pids().items() if name != "connector"}
        survives(scene, tmp_path)
        # By itself; or, where unpacking takes so long that the limit has moved meanwhile, by the kernel.
        assert container.killed <= 1
        assert {name: scene.portal.pids()[name] for name in beside} == beside


def test_a_limit_that_was_set(tmp_path: Path) -> None:
    with (
        LoopbackServer(tmp_path / "whatsapp") as wa,
        open_scene(wa, tmp_path / "scene", CONNECTOR_MEMORY_MB="900") as scene,
    ):
        survives(scene, tmp_path)


def survives(scene: Scene, folder: Path) -> None:
    """The library unpacks whatever it gets: the connector ends, and its successor does not get it again."""
    wa = scene.wa
    bob = Actor(wa, wa.account("Bob", phone="5511999990002"), folder / "bob")
    phone = Actor(wa, scene.ana, folder / "bomber", label="bomber")
    with bob, phone:
        scene.stored(bob.send_text(scene.ana.jid, "before the bomb"))
        before = scene.portal.pids()["connector"]
        phone.send_bomb(scene.ana.jid, 1024)
        wait(lambda: scene.portal.pids().get("connector", before) != before, 120, "the connector's end")
        after = bob.send_text(scene.ana.jid, "after the bomb")
        scene.stored(after, seconds=120)
        survivor = scene.portal.pids()["connector"]
        time.sleep(3)
        assert scene.portal.pids()["connector"] == survivor, "once, and not again and again"


def _group_of_ours(beside: Path) -> Path:
    """The control group this process is in, of the same kind as that one."""
    kind = "memory" if beside.parent.name == "memory" else ""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if kind in controllers.split(","):
            return beside.parent / path.lstrip("/")
    raise AssertionError("no such group")
