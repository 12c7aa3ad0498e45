"""A large account's history: nothing lost or doubled through a kill in the middle, and the portal usable meanwhile.

`HISTORY_CHATS=1000 HISTORY_MESSAGES=300 pytest -s tests/e2e/test_large_history.py` takes in 300,000 messages.
"""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.scene import open_scene, wait
from tests.loopback import Actor, LoopbackServer

pytestmark = pytest.mark.slow

CHATS = int(os.environ.get("HISTORY_CHATS", "200"))
MESSAGES = int(os.environ.get("HISTORY_MESSAGES", "30"))
# A piece of WhatsApp's has some thousand messages.
PIECES = max(10, CHATS * MESSAGES // 6_000)
SECONDS = 120 + CHATS * MESSAGES // 500
COUNT = "SELECT count(*) FROM chats_message WHERE message_id LIKE 'LARGE%'"


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
        rows = scene.database.rows("SELECT message_id FROM chats_message WHERE message_id LIKE 'LARGE%'")
        assert len(rows) == total
        assert {row[0] for row in rows} == {f"LARGE{chat:05}{at:05}" for chat in range(CHATS) for at in range(MESSAGES)}
        assert scene.database.one("SELECT count(*) FROM chats_chat WHERE jid LIKE '55118%'") == CHATS
        assert slowest < 5, f"two questions to the API took {slowest:.1f} s meanwhile"
        status, answer = scene.portal.call("GET", "/api/chat/search/shop?q=number+7", None, scene.token)
        assert (status, answer["count"]) == (200, 50)
    print(
        f"\n{total} messages in {took:.0f} s ({shared:.0f} s to hand over); two questions took {slowest:.2f} s at most"
    )
