"""A TypeScript client made of the served OpenAPI document by openapi-typescript compiles strictly, and pins."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.scene import Scene, pins_of, wait
from tests.loopback import Actor
from tests.node import NODE
from tests.portal_process import ROOT

SOURCE = ROOT / "tests" / "typescript"
PACKAGES = SOURCE / "node_modules"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sqlite_only,
    pytest.mark.skipif(
        not PACKAGES.exists(), reason="the TypeScript packages are not here: npm ci --prefix tests/typescript"
    ),
]


@pytest.fixture(scope="module")
def folder(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a client of its own."""
    made = tmp_path_factory.mktemp("typescript")
    for name in ("package.json", "tsconfig.json", "pin.ts"):
        shutil.copy(SOURCE / name, made)
    (made / "node_modules").symlink_to(PACKAGES)
    (made / "openapi.json").write_text(scene.portal.get("/api/openapi.json")[1])
    run(made, "node_modules/openapi-typescript/bin/cli.js", "openapi.json", "--output", "api.d.ts")
    return made


def run(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A program of JavaScript, which must end well."""
    # Its own colours and news of newer versions are for people.
    done = subprocess.run(
        [NODE, *arguments], cwd=folder, capture_output=True, text=True, timeout=120,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "CI": "1", **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_it_compiles_and_pins(folder: Path, scene: Scene, bob: Actor) -> None:
    run(folder, "node_modules/typescript/bin/tsc", "--project", ".")
    message_id = bob.send_text(scene.ana.jid, "pinned from typescript")
    scene.stored(message_id)
    said = run(folder, "pin.js", PORTAL_URL=scene.portal.url, PORTAL_TOKEN=scene.token, TEXT="typescript")
    answer: dict[str, Any] = json.loads(said.stdout)
    assert (answer["pinned"]["message_id"], answer["pinned"]["duration"]) == (message_id, "7d")
    assert answer["refused"] == "message with ID 3EB0NONE not found"
    assert wait(lambda: pins_of(bob, message_id), what="the pin at Bob's")


def test_its_types_refuse_what_the_api_refuses(folder: Path) -> None:
    wrong = (folder / "pin.ts").read_text().replace('duration: "7d"', 'duration: "1h"')
    (folder / "pin.ts").write_text(wrong)
    with pytest.raises(AssertionError, match="'\"1h\"' is not assignable"):
        run(folder, "node_modules/typescript/bin/tsc", "--project", ".", "--noEmit")
