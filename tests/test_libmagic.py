"""neonize can be imported where the system has no libmagic."""

import ctypes.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.sqlite_only

# The first look for a system's library finds none; whatever is asked for later
# by that name must be the one that was brought along.
PRETEND = """
from portal import libmagic
real = libmagic._loads
libmagic._loads = lambda name: name != libmagic.NAME and real(name)
libmagic.ensure()
import ctypes
ctypes.CDLL("libmagic.so.1")
print({line.split()[-1] for line in open("/proc/self/maps") if "libmagic" in line})
"""
IMPORT = """
from portal.libmagic import ensure
ensure()
import magic, neonize.client
print(magic.from_buffer(b"%PDF-1.4", mime=True))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_bundled_library_answers_to_the_systems_name() -> None:
    done = subprocess.run([sys.executable, "-c", PRETEND], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(".so") == 1
    assert "pylibmagic" in done.stdout


@pytest.mark.slow
def test_neonize_is_importable_without_a_system_libmagic(tmp_path: Path) -> None:
    """The system's files are hidden in a mount namespace of this test's own; needs root."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare")
    name = ctypes.util.find_library("magic")
    folders = [Path("/usr/lib"), Path("/lib"), *Path("/usr/lib").glob("*-linux-gnu*")]
    found = {(folder / name).resolve() for folder in folders if name and (folder / name).exists()}
    hide = "".join(f"mount --bind /dev/null {file} && " for file in found)
    probe = subprocess.run(["unshare", "-m", "sh", "-c", f"{hide} true"], capture_output=True)
    if probe.returncode:
        pytest.skip("may not mount here")

    def python(code: str) -> subprocess.CompletedProcess[str]:
        command = ["unshare", "-m", "sh", "-c", f'{hide} exec "$0" -c "$1"', sys.executable, code]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert "failed to find libmagic" in python("import neonize.client").stderr
    done = python(IMPORT)
    assert (done.returncode, done.stdout) == (0, "application/pdf\n"), done.stderr
