"""The number of a row, as addresses and bodies have it: the same for pages and REST."""

import pytest

from portal.views import typed


def test_it_works() -> None:
    assert (typed.key("12"), typed.key("9" * 18)) == (12, 10**18 - 1)
    assert typed.keys(["1", "x", "22"]) == [1, 22]


@pytest.mark.parametrize("text", ["", "-1", "x", "1.5", "²", "٣", "1" * 19, "9" * 5_000, "1\0", " 1"])
def test_what_is_none(text: str) -> None:
    assert typed.key(text) is None
