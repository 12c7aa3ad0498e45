"""How much a connector may take: by the machine, by its container, and never so little that it cannot work."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from instances.whatsapp.memory import LEAST, MB, allowed
from tests.portal_process import ROOT, environment

GB = 1024 * MB


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Eight gigabytes, of which six are free; we have one."""
    for place in ("proc/self", "sys/fs/cgroup"):
        (tmp_path / place).mkdir(parents=True)
    put(tmp_path, "proc/meminfo", f"MemTotal: {8 * GB // 1024} kB\nMemAvailable: {6 * GB // 1024} kB\n")
    put(tmp_path, "proc/self/status", f"Name:\tpython\nVmData:\t{GB // 1024} kB\n")
    return tmp_path


def put(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def group(machine: Path, path: str, most: int | str, used: int, cached: int = 0) -> None:
    put(machine, f"sys/fs/cgroup/{path}/memory.max", f"{most}\n")
    put(machine, f"sys/fs/cgroup/{path}/memory.current", f"{used}\n")
    put(machine, f"sys/fs/cgroup/{path}/memory.stat", f"anon {used}\ninactive_file {cached}\n")


def test_what_the_machine_can_spare(machine: Path) -> None:
    assert allowed(machine) == GB + 6 * GB - GB


def test_a_container_of_its_own(machine: Path) -> None:
    put(machine, "proc/self/cgroup", "0::/\n")
    group(machine, "", 2 * GB, GB, cached=512 * MB)
    assert allowed(machine) == GB + 1536 * MB - 256 * MB


def test_a_group_in_a_group(machine: Path) -> None:
    put(machine, "proc/self/cgroup", "0::/system.slice/portal.service\n")
    group(machine, "system.slice", 4 * GB, 2 * GB)
    group(machine, "system.slice/portal.service", "max", GB)
    assert allowed(machine) == GB + 2 * GB - 512 * MB


def test_the_older_kind_of_group(machine: Path) -> None:
    """In a container it names itself by the machine's path, which is not there."""
    put(machine, "proc/self/cgroup", "5:cpu:/\n4:memory:/docker/0123\n1:name=systemd:/\n0::/\n")
    put(machine, "sys/fs/cgroup/memory/memory.limit_in_bytes", f"{GB}\n")
    put(machine, "sys/fs/cgroup/memory/memory.usage_in_bytes", f"{512 * MB}\n")
    put(machine, "sys/fs/cgroup/memory/memory.stat", f"total_inactive_file {256 * MB}\n")
    assert allowed(machine) == GB + 768 * MB - 128 * MB


def test_never_too_little_to_work(machine: Path) -> None:
    put(machine, "proc/self/cgroup", "0::/\n")
    group(machine, "", GB, GB)
    assert allowed(machine) == GB + LEAST


def test_where_nobody_says_what_is_there(tmp_path: Path) -> None:
    assert allowed(tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="NOT RUN: asks Linux")
@pytest.mark.parametrize(("setting", "limited"), [("", True), ("0", False), ("700", True)])
def test_the_setting(tmp_path: Path, setting: str, limited: bool) -> None:
    code = (
        "import resource; import django; django.setup(); from instances.whatsapp import memory; memory.keep_limit()\n"
        "print(resource.getrlimit(resource.RLIMIT_DATA)[0])"
    )
    given = {"CONNECTOR_MEMORY_MB": setting} if setting else {}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True,
        env=environment(tmp_path, DJANGO_SETTINGS_MODULE="portal.settings", **given),
    )  # fmt: skip
    assert (int(done.stdout) != resource.RLIM_INFINITY) is limited
    if setting == "700":
        assert int(done.stdout) == 700 * MB
