"""pytest fixtures: one server a test module, and actors that are stopped at its end.

Use: ``pytest_plugins = ["tests.loopback.fixtures"]`` in the test module.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .account import Account
from .actor_handle import Actor
from .server import LoopbackServer

MakeAccount = Callable[[str], Account]
MakeActor = Callable[..., Actor]


@pytest.fixture(scope="module")
def wa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackServer]:
    with LoopbackServer(tmp_path_factory.mktemp("loopback")) as server:
        yield server


@pytest.fixture(scope="module")
def make_account(wa: LoopbackServer) -> MakeAccount:
    numbers = itertools.count(5_511_999_990_001)
    return lambda name: wa.account(name, str(next(numbers)))


@pytest.fixture(scope="module")
def make_actor(
    wa: LoopbackServer, make_account: MakeAccount, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeActor]:
    """``make_actor("Bob")`` or ``make_actor(account, label="second")``: a started actor."""
    directory: Path = tmp_path_factory.mktemp("actors")
    made: list[Actor] = []

    def make(who: str | Account, *, start: bool = True, **options: object) -> Actor:
        account = make_account(who) if isinstance(who, str) else who
        label = f"{len(made)}-{account.name.lower()}"
        actor = Actor(wa, account, directory, label=label, **options)  # type: ignore[arg-type]
        made.append(actor)
        return actor.start() if start else actor

    yield make
    for actor in made:
        actor.kill()
