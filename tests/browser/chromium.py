"""Finding a Chromium, bringing one along where that is possible, and starting it."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Root has no user namespace to build a sandbox from; the rest keeps it from
# talking to its maker's hosts.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
MISSING = (
    "BROWSER TESTS LEFT OUT: no Chromium here. Install it (Debian, Ubuntu: apt install chromium) "
    "or name one with CHROMIUM=/path/to/chromium, then run the tests again."
)


@lru_cache(maxsize=1)
def find() -> str | None:
    """The program's path. As root on Debian it is installed when missing; None when it cannot be had."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    if _on_path() is None and os.geteuid() == 0 and shutil.which("apt-get"):
        # Of two that run tests, one installs and the other waits: apt lets only one in, and the other found none.
        with open(os.path.join(tempfile.gettempdir(), "portal-tests-chromium.lock"), "w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            if _on_path() is None:
                _install()
    return _on_path()


def _install() -> None:
    print("Installing Debian's chromium for the browser tests ...", file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-noto-color-emoji"],
    ):
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)


def _on_path() -> str | None:
    return next((path for path in map(shutil.which, NAMES) if path), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser. Raises RuntimeError (MISSING) when there is none."""
    path = find()
    if path is None:
        raise RuntimeError(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
