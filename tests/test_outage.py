"""Who may start a client while nothing can be reached."""

from hypothesis import given
from hypothesis import strategies as st

from instances.whatsapp.outage import TURN_SECONDS, Outage


class Time:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def test_all_may_try_as_long_as_nobody_has_failed() -> None:
    outage = Outage(Time())
    assert all(outage.may_try() for _ in range(500))


def test_after_a_failure_one_at_a_time() -> None:
    time = Time()
    outage = Outage(time)
    assert outage.may_try()
    outage.failed()
    assert not outage.may_try()
    time.now += TURN_SECONDS
    assert [outage.may_try() for _ in range(500)] == [True] + [False] * 499


def test_after_a_success_all_at_once() -> None:
    outage = Outage(Time())
    assert outage.may_try()
    outage.failed()
    outage.over()
    assert all(outage.may_try() for _ in range(500))


@given(st.lists(st.floats(0, 5), max_size=100))
def test_no_more_than_one_client_a_turn_in_any_outage(waits: list[float]) -> None:
    time = Time()
    outage = Outage(time)
    outage.failed()
    tried = 0
    for wait in waits:
        time.now += wait
        tried += outage.may_try()
    assert tried <= 1 + time.now / TURN_SECONDS
