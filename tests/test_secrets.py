"""Keys are made once and for us alone; Django's own list for deployment has nothing to say; bandit neither."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from portal.secrets import read_or_make_secret
from tests.portal_process import ROOT, environment

pytestmark = pytest.mark.sqlite_only


def python(data_dir: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments], env=environment(data_dir, **more), cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.parametrize("more", [{}, {"HTTPS": "true", "HOST": "0.0.0.0"}], ids=["as it is", "https"])
def test_it_works(more: dict[str, str], tmp_path: Path) -> None:
    """Nothing to do before a portal goes into service, with the key that it makes itself."""
    done = python(tmp_path / "data", "manage.py", "check", "--deploy", "--fail-level=WARNING", **more)
    assert done.returncode == 0, done.stderr
    key = tmp_path / "data" / "secret.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700


def test_a_portal_that_others_reach_without_tls_is_told(tmp_path: Path) -> None:
    done = python(tmp_path, "manage.py", "check", "--deploy", "--fail-level=WARNING", HOST="0.0.0.0")
    assert {f"security.{check}" in done.stderr for check in ("W004", "W008", "W010", "W016")} == {True}


def test_a_debugging_portal_is_told(tmp_path: Path) -> None:
    done = python(tmp_path, "manage.py", "check", "--deploy", "--fail-level=WARNING", DEBUG="true")
    assert "security.W018" in done.stderr


def test_a_key_is_made_once(tmp_path: Path) -> None:
    """However many processes start at the same moment."""
    path = tmp_path / "made" / "key"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: read_or_make_secret(path), range(32)))
    assert len(keys) == 1
    assert len(keys.pop()) >= 50
    assert [one.name for one in path.parent.iterdir()] == ["key"], "no draft is left"


def test_bandit_finds_nothing_new(tmp_path: Path) -> None:
    """B608 is ruff's S608, which `make lint` asks; a `noqa` of ruff's stands for bandit too, with its reason."""
    bandit = "-m bandit --quiet --recursive -ll --skip=B608 --format=json portal instances chats"
    done = python(tmp_path, *bandit.split())
    found = json.loads(done.stdout)
    assert not found["errors"]
    lines = {}
    for one in found["results"]:
        text = (ROOT / one["filename"]).read_text().splitlines()
        span = "\n".join(text[min(one["line_range"]) - 1 : max(one["line_range"])])
        if "noqa: S" not in span:
            lines[f"{one['filename']}:{one['line_number']}"] = f"{one['test_id']} {one['issue_text']}"
    assert not lines
