"""What WhatsApp says of groups and blocked contacts is believed until it changes, and not a moment longer."""

from collections.abc import Callable
from typing import Any

import pytest
from neonize import exc
from neonize.proto import Neonize_pb2 as pb

from instances.whatsapp.adapter.hindrances import Hindrances
from instances.whatsapp.adapter.people import People
from instances.whatsapp.errors import AdminsOnly, Blocked
from tests.test_adapter import jid

pytestmark = pytest.mark.sqlite_only

GROUP, BOB = "120363@g.us", "1002@lid"


class Library:
    """Answers as neonize does; `meanwhile` happens while an answer is under way."""

    def __init__(self) -> None:
        self.locked = False
        self.blocked: list[str] = []
        self.asked = 0
        self.meanwhile: Callable[[], Any] = lambda: None

    def get_me(self) -> pb.Device:
        return pb.Device(JID=jid("5511@s.whatsapp.net"), LID=jid("1001@lid"))

    def get_group_info(self, _: pb.JID) -> pb.GroupInfo:
        group = pb.GroupInfo()
        group.GroupLocked.isLocked = self.locked
        return self._answer(group)

    def get_blocklist(self) -> pb.Blocklist:
        return self._answer(pb.Blocklist(JIDs=[jid(name) for name in self.blocked]))

    def get_pn_from_lid(self, _: pb.JID) -> pb.JID:
        return jid("5522@s.whatsapp.net")

    def _answer(self, answer: Any) -> Any:
        self.asked += 1
        self.meanwhile()
        return answer


@pytest.fixture
def library() -> Library:
    return Library()


@pytest.fixture
def hindrances(library: Library) -> Hindrances:
    return Hindrances(library, People(library))


def test_a_group_is_asked_once_and_after_a_change(hindrances: Hindrances, library: Library) -> None:
    hindrances.check_group(GROUP)
    hindrances.check_group(GROUP)
    assert library.asked == 1
    library.locked = True
    hindrances.group_changed(GROUP)
    for _ in range(2):
        with pytest.raises(AdminsOnly):
            hindrances.check_group(GROUP)
    assert library.asked == 2


def test_a_group_that_changes_while_it_is_asked(hindrances: Hindrances, library: Library) -> None:
    """Was red: the old answer was kept for good, and a pin nobody sees was said to be done."""

    def change() -> None:
        library.locked = True
        hindrances.group_changed(GROUP)

    library.meanwhile = change
    hindrances.check_group(GROUP)
    with pytest.raises(AdminsOnly):
        hindrances.check_group(GROUP)


def test_a_contact_who_is_blocked_while_it_is_asked(hindrances: Hindrances, library: Library) -> None:
    """Was red, as with groups."""

    def block() -> None:
        library.blocked = [BOB]
        hindrances.blocklist_changed()

    library.meanwhile = block
    hindrances.check_contact(BOB)
    with pytest.raises(Blocked):
        hindrances.check_contact(BOB)


def test_a_list_that_could_not_be_had(hindrances: Hindrances, library: Library) -> None:
    """Was red: that counted as "nobody is blocked" for as long as the client lived."""

    def fail() -> None:
        raise exc.GetBlocklistError("info query timed out")

    library.blocked, library.meanwhile = [BOB], fail
    hindrances.check_contact(BOB)
    library.meanwhile = lambda: None
    for _ in range(2):
        with pytest.raises(Blocked):
            hindrances.check_contact(BOB)
    assert library.asked == 2


def test_a_contact_is_blocked_under_either_name(hindrances: Hindrances, library: Library) -> None:
    library.blocked = ["5522@s.whatsapp.net"]
    with pytest.raises(Blocked):
        hindrances.check_contact(BOB)
    assert library.asked == 1
