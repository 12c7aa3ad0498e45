"""A linked portal on the loopback server, with a contact, for measurements."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.database import portal_database
from tests.e2e.scene import Scene
from tests.loopback import Actor, LoopbackServer


@contextmanager
def stage(**environment: str) -> Iterator[tuple[Scene, Actor]]:
    """The scene, and Bob. Rate limits are out of the way, unless `environment` says otherwise."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with LoopbackServer(folder / "whatsapp") as wa, portal_database(folder / "data") as database:
            scene = Scene(wa, folder, database, **{"API_RATE": "1000000/m", **environment})
            bob = Actor(wa, wa.account("Bob", phone="5511999990002", phone_listed=False), folder)
            try:
                scene.link()
                with bob:
                    yield scene, bob
            finally:
                scene.portal.stop()
