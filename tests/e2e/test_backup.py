"""A portal out of a backup: everything is there, and its phone stays linked."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.database import portal_database
from tests.e2e.scene import open_scene, pins_of, wait
from tests.kills.account import Writing
from tests.loopback import Actor, LoopbackServer
from tests.postgres_programs import path_with_programs

pytestmark = pytest.mark.slow


def test_it_works(tmp_path: Path) -> None:
    """A backup of a running portal, while messages come in; that portal is lost, and a restored one goes on.

    On PostgreSQL the keys of devices lie there as well, in a database of their own.
    """
    with ExitStack() as stack:

        def keys() -> dict[str, str]:
            if not os.environ.get("DATABASE_URL"):
                return {}
            return {"SESSION_DATABASE_URL": stack.enter_context(portal_database(tmp_path)).url}

        wa = stack.enter_context(LoopbackServer(tmp_path / "whatsapp"))
        bob = stack.enter_context(Actor(wa, wa.account("Bob", phone="5511999990002"), tmp_path / "bob"))
        scene = stack.enter_context(
            open_scene(wa, tmp_path / "first", linked=True, PATH=path_with_programs(), **keys())
        )
        before = bob.send_text(scene.ana.jid, "before the backup")
        scene.stored(before)
        assert scene.pin(before, "7d")[0] == 200
        writing = Writing(bob, scene.ana.jid)
        wait(lambda: len(writing.ids) > 5, what="messages")
        stored = list(writing.ids)
        scene.stored(stored[-1])
        scene.command("backup", str(tmp_path / "backup"))
        meanwhile = set(writing.ids) - set(stored)
        writing.end()
        assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
        # What happens after it is not in it, and must not make the keys in it useless.
        scene.stored(bob.send_text(scene.ana.jid, "after the backup"))
        scene.portal.stop()

        scene.move(tmp_path / "second", stack.enter_context(portal_database(tmp_path / "second" / "data")), **keys())
        scene.command("restore", str(tmp_path / "backup"))
        scene.start()
        wait(lambda: scene.instance("state") == "connected", 90, "the connection without a new code")
        assert scene.stored(before) == ("before the backup",)
        assert scene.pin_state(before) == "pinned"
        kept = {message_id for (message_id,) in scene.database.rows("SELECT message_id FROM chats_message")}
        assert kept >= set(stored)
        assert kept & meanwhile, "messages did come in while it was made"
        # Both ways, and with the token of before: what Bob writes can be read, and what is pinned is seen.
        after = bob.send_text(scene.ana.jid, "after the restore")
        assert scene.stored(after) == ("after the restore",)
        assert scene.pin(after, "24h")[0] == 200
        wait(lambda: pins_of(bob, after), what="the pin at Bob's")
