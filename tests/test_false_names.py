"""Addresses of webhooks and proxies by names that lie, with a real resolver: nothing reaches the inside."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.hosts import possible
from tests.portal_process import ROOT, environment

pytestmark = [pytest.mark.slow, pytest.mark.sqlite_only]
PUBLIC = "93.184.216.34"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `tests.false_names` has seen."""
    if os.geteuid() != 0 or not possible():
        pytest.skip("NOT RUN: a network of its own needs root, ip and unshare")
    folder: Path = tmp_path_factory.mktemp("names")
    done = subprocess.run(
        ["unshare", "--net", "--mount", sys.executable, "-m", "tests.false_names"],
        env=environment(folder, DJANGO_SETTINGS_MODULE="portal.settings", WEBHOOK_TIMEOUT_SECONDS="3"),
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_it_works(found: dict[str, Any]) -> None:
    assert found["webhook"]["steady.test"] == [{"said": "200", "public": 1, "inside": 0, "asked": 1}]
    assert found["proxy"]["steady.test"]["said"] == f"http://{PUBLIC}:8000"


def test_nothing_reaches_the_inside(found: dict[str, Any]) -> None:
    tries = [(name, one) for name, ones in found["webhook"].items() for one in ones]
    assert [(name, one) for name, one in tries if one["inside"]] == []
    refused = {name for name, one in tries if "private network" in one["said"]}
    assert refused >= {
        "zero.test", "mapped.test", "loop.test", "nat64.test", "metadata.test", "site.test", "unassigned.test",
        "2130706433", "0x7f.1", "0", "127.1", "[::ffff:127.0.0.1]", "[::]", "localhost",
    }  # fmt: skip


def test_a_name_that_means_another_address_a_moment_later(found: dict[str, Any]) -> None:
    """It is asked for once, and the connection goes to what was checked; the next one begins anew."""
    first, second = found["webhook"]["first-public.test"]
    assert first == {"said": "200", "public": 1, "inside": 0, "asked": 1}
    assert "private network" in second["said"]
    first, second = found["webhook"]["first-private.test"]
    assert "private network" in first["said"]
    assert first["asked"] == 1
    assert second["said"] == "200"


def test_a_name_of_both_kinds(found: dict[str, Any]) -> None:
    assert found["webhook"]["both.test"] == [{"said": "200", "public": 1, "inside": 0, "asked": 1}]
    assert "private network" in found["proxy"]["both.test"]["said"]


def test_a_receiver_that_sends_elsewhere(found: dict[str, Any]) -> None:
    (one,) = found["webhook"]["redirect"]
    assert (one["public"], one["inside"]) == (1, 0)


def test_proxies(found: dict[str, Any]) -> None:
    """The library is given the address that was looked at, and no name."""
    assert found["proxy"]["first-public.test"] == {
        "said": f"http://{PUBLIC}:8000", "public": 0, "inside": 0, "asked": 1,
    }  # fmt: skip
    refused = {name for name, one in found["proxy"].items() if "private network" in one["said"]}
    assert refused == set(found["proxy"]) - {"steady.test", "first-public.test", "nobody.test"}
    assert "cannot be found" in found["proxy"]["nobody.test"]["said"]
