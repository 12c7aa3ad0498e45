"""A large account's history: nothing lost or doubled through a kill in the middle, and the portal usable meanwhile.

`HISTORY_CHATS=1000 HISTORY_MESSAGES=300 pytest -s tests/e2e/test_large_history.py` takes in 300,000 messages.
"""

import os
import signal
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.scene import Scene, open_scene, wait
from tests.loopback import Actor, LoopbackServer

pytestmark = pytest.mark.slow

CHATS = int(os.environ.get("HISTORY_CHATS", "200"))
MESSAGES = int(os.environ.get("HISTORY_MESSAGES", "30"))
# A piece of WhatsApp's has some thousand messages.
PIECES = max(10, CHATS * MESSAGES // 6_000)
SECONDS = 120 + CHATS * MESSAGES // 500
ROWS = """
SELECT m.message_id, c.jid, m.sender, m.from_me, m.kind, m.text
FROM chats_message m JOIN chats_chat c ON c.id = m.chat_id WHERE m.message_id LIKE 'LARGE%'
"""
COUNT = "SELECT count(*) FROM chats_message WHERE message_id LIKE 'LARGE%'"


def told(own: str) -> Iterator[tuple[str, str, str, bool, str, str]]:
    """What the phone tells (`loopback.actor_messages.large_history`), as it must be stored."""
    for chat in range(CHATS):
        group = chat % 10 == 9
        jid = f"12036311{chat:010}@g.us" if group else f"55118{chat:08}@s.whatsapp.net"
        for at in range(MESSAGES):
            other = f"55117{at % 50:08}@s.whatsapp.net" if group else jid
            kind = "image" if at % 5 == 4 else "text"
            yield (
                f"LARGE{chat:05}{at:05}", jid, other if at % 3 else own, at % 3 == 0, kind, f"number {at} of {chat}"
            )  # fmt: skip


def found(scene: Scene, text: str) -> int:
    """How many messages an export of this search says it holds."""
    address = f"{scene.portal.url}/api/chat/export/shop?{urllib.parse.urlencode({'q': text})}"
    with urllib.request.urlopen(urllib.request.Request(address, headers={"token": scene.token}), timeout=60) as file:
        return int(file.headers["X-Total-Count"])


def test_a_large_account(tmp_path: Path) -> None:
    total = CHATS * MESSAGES
    with (
        LoopbackServer(tmp_path / "whatsapp") as wa,
        open_scene(wa, tmp_path, linked=False) as scene,
    ):
        # Only a phone gives history.
        with Actor(wa, scene.ana, tmp_path / "phone", primary=True) as phone:
            scene.link()
            began = time.monotonic()
            for piece in range(PIECES):
                first, end = piece * CHATS // PIECES, (piece + 1) * CHATS // PIECES
                phone.share_large_history(first, end - first, MESSAGES, (piece + 1) * 100 // PIECES)
            shared = time.monotonic() - began
            seen, slowest, killed = [], 0.0, False
            while (stored := scene.database.one(COUNT)) < total:
                assert time.monotonic() - began < SECONDS, f"{stored} of {total} messages in {SECONDS} s"
                if stored >= total // 3 and not killed:
                    os.kill(scene.portal.pids()["connector"], signal.SIGKILL)
                    killed = True
                asked = time.monotonic()
                status, answer = scene.portal.call("GET", "/api/instance/list", None, scene.token)
                assert status == 200
                seen.append(answer["instances"][0]["historyPercent"] or 0)
                status, answer = scene.portal.call("GET", "/api/chat/search/shop?q=number", None, scene.token)
                assert status == 200
                slowest = max(slowest, time.monotonic() - asked)
                time.sleep(0.2)
            took = time.monotonic() - began
        assert killed
        assert seen == sorted(seen), "the progress went back"
        assert any(0 < percent < 100 for percent in seen), f"no progress was shown: {set(seen)}"
        wait(lambda: scene.instance("history_percent") == 100, what="the end of the progress")
        time.sleep(1)
        rows = [(*row[:3], bool(row[3]), *row[4:]) for row in scene.database.rows(ROWS)]
        assert len(rows) == total
        assert set(rows) == set(told(scene.ana.jid))
        assert scene.database.one("SELECT count(*) FROM chats_chat WHERE jid LIKE '55118%'") == CHATS - CHATS // 10
        assert scene.database.one("SELECT count(*) FROM chats_chat WHERE jid LIKE '12036311%'") == CHATS // 10
        assert slowest < 5, f"two questions to the API took {slowest:.1f} s meanwhile"
        # All of it is in the index, and what is not meant is not found: the seventh of each chat, and all of one.
        pictures = sum(row[4] == "image" for row in rows)
        wanted = {"number": total, '"number 7 of"': CHATS, f'"of {CHATS - 1}"': MESSAGES, "type:image number": pictures}
        assert {text: found(scene, text) for text in wanted} == wanted
    print(
        f"\n{total} messages in {took:.0f} s ({shared:.0f} s to hand over); two questions took {slowest:.2f} s at most"
    )
