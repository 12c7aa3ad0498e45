"""Where instances may run: what labels are, how many come to whom, and what an instance says that has no place."""

import time
from io import StringIO
from itertools import product

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from instances import labels
from instances.leases import Lease
from instances.models import Account, Connector, Instance, OutgoingEvent
from instances.states import State
from instances.whatsapp.stating import save_unplaced

kinds = st.sets(st.sampled_from(["a=1", "b=1", "c=1"]), max_size=2).map(lambda found: ",".join(sorted(found)))


def test_one_form() -> None:
    assert labels.normal(" region=eu ,proxy=home,, ") == "proxy=home,region=eu"
    assert labels.normal("") == ""


@pytest.mark.parametrize("text", ["region", "=eu", "region=", "a=b=c", "a=1,a=2", "a b=c", "ü=1", "a=" + "x" * 41])
def test_what_is_no_label(text: str) -> None:
    with pytest.raises(labels.InvalidLabels, match="name=value"):
        labels.normal(text)


@given(st.text())
def test_any_text_is_labels_or_a_sentence(text: str) -> None:
    try:
        found = labels.normal(text)
    except labels.InvalidLabels:
        return
    assert labels.normal(found) == found
    assert len(found) <= labels.LONGEST


def test_all_of_an_instances_labels() -> None:
    assert labels.fits("", "")
    assert labels.fits("", "a=1")
    assert labels.fits("a=1", "a=1,b=2")
    assert not labels.fits("a=1,b=2", "a=1")
    assert not labels.fits("a=1", "a=12")
    assert not labels.fits("a=1", "")


@given(
    st.dictionaries(kinds, st.integers(0, 30), max_size=5),
    st.dictionaries(st.sampled_from("pqrst"), kinds, min_size=1, max_size=5),
)
def test_any_spread(instances: dict[str, int], connectors: dict[str, str]) -> None:
    """All that have a taker are placed, with one that may; one kind alone lies evenly."""
    shares = labels.spread(instances, connectors)
    assert all(count >= 0 for share in shares.values() for count in share.values())
    for kind, count in instances.items():
        takers = [name for name, offered in connectors.items() if labels.fits(kind, offered)]
        assert sum(share.get(kind, 0) for share in shares.values()) == (count if takers else 0)
        assert all(name in takers for name, share in shares.items() if share.get(kind))
    if len(instances) == 1:
        (kind,) = instances
        held = [shares[name].get(kind, 0) for name in connectors if labels.fits(kind, connectors[name])]
        assert not held or max(held) - min(held) <= 1
    for one, other in product(connectors, repeat=2):
        if connectors[one] == connectors[other] == "":
            assert abs(sum(shares[one].values()) - sum(shares[other].values())) <= 1
    backwards = labels.spread(dict(reversed(instances.items())), dict(reversed(connectors.items())))
    assert backwards == shares, "the same for everybody who asks"


def test_a_fleet_of_thousands_is_spread_in_no_time() -> None:
    """Each of them reckons it each second; with the square of their number it took seconds."""
    connectors = {f"connector {number}": "region=eu" if number % 2 else "" for number in range(10_000)}
    began = time.process_time()
    shares = labels.spread({"": 1_000_000, "region=eu": 1_000_000}, connectors)
    assert time.process_time() - began < 3
    assert {sum(share.values()) for share in shares.values()} == {200}


@pytest.fixture
def instance(db: None) -> Instance:
    account = Account.objects.create(name="Alice")
    return Instance.objects.create(
        account=account, name="shop", labels="region=eu", state=State.CONNECTED, wanted_events="instance.state"
    )


def test_a_state_says_that_there_is_no_place(instance: Instance) -> None:
    lease = Lease("one", "shared")
    lease.enter()
    assert lease.claim() == []
    ((told, event),) = save_unplaced(lease.unplaced()[1])
    instance.refresh_from_db()
    assert (instance.state, told.pk) == (State.UNPLACED, instance.pk)
    assert instance.sentence.startswith("No connector is running that can hold this instance.")
    assert instance.sentence.endswith("(region=eu)")
    assert event is not None
    assert OutgoingEvent.objects.count() == 1
    assert save_unplaced(lease.unplaced()[1]) == [], "once"


@pytest.mark.parametrize("state", [State.PAUSED, State.LOGGED_OUT, State.BANNED, State.REPLACED])
def test_what_a_person_must_do_first_is_still_said(instance: Instance, state: State) -> None:
    Instance.objects.update(state=state)
    lease = Lease("one", "shared")
    lease.enter()
    assert save_unplaced(lease.unplaced()[1]) == []


def test_the_command(instance: Instance) -> None:
    def say(*arguments: str) -> str:
        out = StringIO()
        call_command("labels", *arguments, stdout=out)
        return out.getvalue()

    assert "'shop': region=eu" in say("shop")
    assert "CONNECTOR_LABELS=region=eu" in say("shop")
    Lease("eu-1", "shared", offered="region=eu,size=big").enter()
    assert "may hold it: eu-1." in say("shop")
    assert "no labels" in say("shop", "")
    instance.refresh_from_db()
    assert instance.labels == ""
    with pytest.raises(CommandError, match="name=value"):
        say("shop", "Europe")
    assert Connector.objects.get().labels == "region=eu,size=big"
