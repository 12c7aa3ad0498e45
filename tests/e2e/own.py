"""A WhatsApp of a module's own, for tests that break connections or whose accounts would be in the others' way."""

from collections.abc import Iterator

import pytest

from tests.loopback import Actor, LoopbackServer


@pytest.fixture(scope="module")
def wa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackServer]:
    """The loopback WhatsApp server."""
    with LoopbackServer(tmp_path_factory.mktemp("whatsapp")) as server:
        yield server


@pytest.fixture(scope="module")
def bob(wa: LoopbackServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Actor]:
    """A contact on it."""
    with Actor(wa, wa.account("Bob", phone="5511999990002"), tmp_path_factory.mktemp("bob")) as actor:
        yield actor
