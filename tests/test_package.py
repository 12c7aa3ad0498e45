"""What `pip install .` brings: a wheel with all that a running portal reads, and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.portal_process import ROOT

pytestmark = pytest.mark.sqlite_only


def tracked(*folders: str) -> set[str]:
    """The files of these folders that a checkout has, without what Python leaves behind."""
    found = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts}


def test_it_works(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assets = {f"portal/assets/{name}" for name in tracked("templates", "static", "locale") | {"manage.py"}}
    assert packed == tracked("portal", "chats", "instances") | assets
    entries = next(name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("entry_points.txt"))
    assert b"portal-cli = portal.cli.command:main" in zipfile.ZipFile(wheel).read(entries)
