"""Another file where a process's own lay."""

import os
import subprocess
import sys
import time
from pathlib import Path

from portal.ground import Ground
from portal.supervisor import loop
from portal.supervisor.child import Spec
from tests.portal_process import ROOT, environment


def test_what_counts_as_another(tmp_path: Path) -> None:
    place, missing = tmp_path / "a", tmp_path / "b"
    place.write_text("a")
    ground = Ground(place, missing)
    assert not ground.replaced
    place.write_text("written")
    missing.write_text("made since")
    assert not ground.replaced
    place.rename(tmp_path / "aside")
    assert not ground.replaced, "a disk that is missing may come back"
    (tmp_path / "aside").rename(place)
    assert not ground.replaced
    place.rename(tmp_path / "aside")
    place.write_text("a")
    assert ground.replaced


def test_a_process_ends_to_be_started_anew(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    code = (
        "import sys, time; from pathlib import Path; import django; django.setup()\n"
        "from portal import ground; ground.end_when_replaced(Path(sys.argv[1]))\n"
        "print('watches', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, place], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(tmp_path, DJANGO_SETTINGS_MODULE="portal.settings"),
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "watches\n"
        place.rename(tmp_path / "aside")
        place.mkdir()
        _, said = process.communicate(timeout=50)
    finally:
        process.kill()
    assert process.returncode == os.EX_TEMPFAIL
    assert "is another one now" in said


def test_nothing_is_started_where_the_disk_is_missing(tmp_path: Path) -> None:
    there = tmp_path / "there"
    watched = loop.Watched(Spec("stub", [sys.executable, "-c", "raise SystemExit(3)"]), ())
    first = watched.child
    limit = time.monotonic() + 60
    while watched.due is None and time.monotonic() < limit:
        watched.tick(there.exists())
    watched.due = 0.0
    watched.tick(there.exists())
    assert watched.child is first
    there.touch()
    watched.tick(there.exists())
    assert watched.child is not first
    while watched.child.ended() is None:
        time.sleep(0.02)
