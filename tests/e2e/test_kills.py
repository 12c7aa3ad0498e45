"""Each process killed once, while messages come in and pins go out. `make bench ONLY=kills` does it often."""

import pytest

from tests.kills.rounds import run

# It brings its own PostgreSQL, NATS and Valkey.
pytestmark = [pytest.mark.slow, pytest.mark.sqlite_only]


@pytest.mark.parametrize("embedded", [False, True], ids=["on PostgreSQL and Valkey", "on SQLite"])
def test_it_works(embedded: bool) -> None:
    result = run(6, seed=9, embedded=embedded)
    assert result.clean, result
    assert result.messages > 100 + 50, "somebody wrote, beside the hundred that are there to be pinned"
    assert result.confirmed > 5, "somebody pinned"
