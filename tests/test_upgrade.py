"""A database of each earlier version, with its data, taken over by this one."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.database import portal_database
from tests.portal_process import ROOT, environment
from tests.upgrades.versions import VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_it_works(version: str, tmp_path: Path) -> None:
    with portal_database(tmp_path) as database:
        url = {"DATABASE_URL": database.url} if database.url else {}
        done = subprocess.run(
            [sys.executable, "-m", "tests.upgrades", version],
            env=environment(tmp_path, **url), cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        assert done.stdout.endswith("upgraded\n"), done.stderr
