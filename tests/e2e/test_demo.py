"""`make demo`: what somebody without a spare phone gets."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from tests.portal_process import ROOT, environment, free_port

pytestmark = [pytest.mark.slow, pytest.mark.sqlite_only]


def test_it_works(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.demo", "1000"]
    env = environment(tmp_path, PORT=str(free_port()), TMPDIR=str(tmp_path))
    demo = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    said: list[str] = []
    threading.Thread(target=lambda: said.extend(demo.stdout or []), daemon=True).start()
    try:
        wait_for("Ctrl-C ends it", said, demo)
        welcome = "".join(said)
        url, token = (re.search(rf"{name}=(\S+)", welcome)[1] for name in ("PORTAL_URL", "PORTAL_TOKEN"))  # type: ignore[index]
        with urllib.request.urlopen(f"{url}/sign-in/") as page:
            assert "nobody here is real" in page.read().decode()

        def call(path: str, body: object = None) -> bytes:
            sent = None if body is None else json.dumps(body).encode()
            headers = {"token": token, "Content-Type": "application/json"}
            with urllib.request.urlopen(urllib.request.Request(f"{url}/api/chat/{path}", sent, headers)) as answer:
                content: bytes = answer.read()
                return content

        (oil,) = json.loads(call("search/shop?q=hard+wax+oil"))["messages"]
        pinned = call("pinMessage/shop", {"pin": True, "messageId": oil["messageId"], "duration": "24h"})
        assert json.loads(pinned)["pinned"] is True
        for kind, beginning in (("document", b"%PDF"), ("image", b"\xff\xd8\xff"), ("voice", b"RIFF")):
            newest = json.loads(call(f"search/shop?q=type:{kind}"))["messages"][0]
            assert call(f"media/shop?messageId={newest['messageId']}").startswith(beginning), kind
    finally:
        demo.send_signal(signal.SIGTERM)
        demo.wait(90)
    assert demo.returncode == 0
    assert list(tmp_path.iterdir()) == [], "nothing is kept"


def wait_for(words: str, said: list[str], demo: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + 300
    while words not in "".join(said):
        assert demo.poll() is None, "it ended"
        assert time.monotonic() < limit, said
        time.sleep(0.1)
