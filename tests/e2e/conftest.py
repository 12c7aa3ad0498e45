"""One portal, linked once, for the tests of this folder that leave it as it was."""

import re
from collections.abc import Iterator

import pytest

from tests.e2e.scene import Scene, open_scene
from tests.loopback import Actor, LoopbackServer
from tests.portal_cli import Cli


@pytest.fixture(scope="session")
def wa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackServer]:
    """The loopback WhatsApp server."""
    with LoopbackServer(tmp_path_factory.mktemp("whatsapp")) as server:
        yield server


@pytest.fixture(scope="session")
def scene(wa: LoopbackServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A linked portal, for the whole run."""
    with open_scene(wa, tmp_path_factory.mktemp("e2e")) as made:
        yield made


@pytest.fixture(scope="session")
def bob(wa: LoopbackServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Actor]:
    """A contact: a second, independent real client."""
    actor = Actor(wa, wa.account("Bob", phone="5511999990002"), tmp_path_factory.mktemp("bob"))
    with actor:
        yield actor


@pytest.fixture(scope="session")
def carla(wa: LoopbackServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Actor]:
    """Another contact, who shares a group with Bob and Ana."""
    actor = Actor(wa, wa.account("Carla", phone="5511999990003"), tmp_path_factory.mktemp("carla"))
    with actor:
        yield actor


@pytest.fixture(scope="session")
def phone(wa: LoopbackServer, scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Actor]:
    """A second device of Ana's, on which she writes and pins herself."""
    actor = Actor(wa, scene.ana, tmp_path_factory.mktemp("phone"), label="phone")
    with actor:
        yield actor


@pytest.fixture(scope="session")
def group(scene: Scene, bob: Actor, carla: Actor) -> str:
    """A group of all three."""
    return bob.create_group("Sales", [scene.ana.jid, carla.account.jid])


@pytest.fixture(scope="module")
def cli(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The terminal of somebody who holds the account's token."""
    token = re.search(r"wap_\S+", scene.command("createtoken"))[0]  # type: ignore[index]
    return Cli(tmp_path_factory.mktemp("home"), scene.portal.url, token)
