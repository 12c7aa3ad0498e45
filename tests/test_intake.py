"""Taking messages in: once each, in any order, under any of their names."""

import itertools
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisTestCase
from neonize.proto.waHistorySync.WAWebProtobufsHistorySync_pb2 import HistorySync
from neonize.proto.waWeb.WAWebProtobufsWeb_pb2 import PinInChat

from chats import pinbook, search
from chats.intake import take_in
from chats.models import Batch, BatchItem, Chat, Contact, Message, Pin, Rule, RuleHit, Schedule
from chats.pinbook import Asker, Outcome, Wish
from instances.events import webhooks
from instances.events.models import OutgoingEvent
from instances.models import Account, Instance
from instances.whatsapp.adapter import read_history
from instances.whatsapp.events import GroupChanged, MessageArrived, Party, PersonKnown, Stored, Target

OWN_PHONE, OWN_LID = "5511900000001@s.whatsapp.net", "1001@lid"
BOB_PHONE, BOB_LID = "5511900000002@s.whatsapp.net", "1002@lid"
GROUP = "120363000000000001@g.us"
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def instance(db: None) -> Instance:
    return make_instance()


def make_instance() -> Instance:
    account = Account.objects.create(name="Alice")
    return Instance.objects.create(account=account, name="shop", jid=OWN_PHONE, lid=OWN_LID)


def arrived(message_id: str = "3EB01", text: str = "hello", **fields: Any) -> MessageArrived:
    """A text of Bob's, in the direct chat with him, as WhatsApp brings it today."""
    values: dict[str, Any] = {
        "chat": Party(BOB_LID, BOB_PHONE),
        "sender": Party(BOB_LID, BOB_PHONE),
        "is_group": False,
        "from_me": False,
        "sent_at": START,
        "kind": "text",
        "push_name": "Bob",
    }
    return MessageArrived(message_id=message_id, text=text, **{**values, **fields})


def own(message_id: str, text: str = "mine", **fields: Any) -> MessageArrived:
    """A text written on the account's own phone."""
    return arrived(message_id, text, sender=Party(OWN_LID, OWN_PHONE), from_me=True, push_name="Alice", **fields)


def action(kind: str, target: str, seconds: int, text: str = "", **fields: Any) -> MessageArrived:
    """An edit, deletion, pin or reaction of Bob's about his own message."""
    wanted = Target(target, by_same_author=True)
    sent_at = START + timedelta(seconds=seconds)
    return arrived(f"{kind}-{target}-{seconds}", text, kind=kind, target=wanted, sent_at=sent_at, **fields)


def test_it_works(instance: Instance) -> None:
    taken = take_in(instance, [arrived()])
    message = Message.objects.get()
    assert taken.messages == [message]
    assert (message.text, message.sender, message.sender_name) == ("hello", BOB_PHONE, "Bob")
    assert (message.chat.jid, message.chat.lid, message.chat.name) == (BOB_PHONE, BOB_LID, "Bob")
    assert (message.wire_chat, message.wire_sender) == (BOB_LID, BOB_LID)
    assert message.chat.last_message_at == message.sent_at == START


def test_the_same_event_twice_is_one_row(instance: Instance) -> None:
    take_in(instance, [arrived(), arrived()])
    assert take_in(instance, [arrived()]).messages == []
    assert Message.objects.count() == 1


def test_an_own_message_from_the_phone_is_filed_under_the_own_number(instance: Instance) -> None:
    take_in(instance, [own("3EB02")])
    message = Message.objects.get()
    assert (message.from_me, message.sender, message.chat.jid) == (True, OWN_PHONE, BOB_PHONE)
    assert message.chat.name == "", "our own name is not the chat's"


def test_a_note_to_self(instance: Instance) -> None:
    take_in(instance, [own("3EB02", chat=Party(OWN_LID, OWN_PHONE))])
    assert Chat.objects.get().jid == OWN_PHONE


# --- Two names, one person --------------------------------------------------------


NAMES = [
    Party(BOB_LID, BOB_PHONE),
    Party(BOB_PHONE, BOB_LID),
    Party(BOB_LID),
    Party(BOB_PHONE),
]


@pytest.mark.parametrize("order", [*itertools.permutations(NAMES, 3), tuple(NAMES), tuple(reversed(NAMES))])
def test_one_chat_whichever_names_it_comes_under(instance: Instance, order: tuple[Party, ...]) -> None:
    """As soon as one event has told both names, all is in one chat under the phone number."""
    for number, party in enumerate(order):
        take_in(instance, [arrived(f"3EB{number}", chat=party, sender=party)])
    chat = Chat.objects.get()
    assert (chat.jid, chat.lid) == (BOB_PHONE, BOB_LID)
    assert {message.sender for message in Message.objects.all()} == {BOB_PHONE}
    assert Contact.objects.get().jid == BOB_PHONE


def test_both_names_learnt_within_a_batch(instance: Instance) -> None:
    events = [arrived(f"3EB{number}", chat=party, sender=party) for number, party in enumerate(NAMES[::-1])]
    take_in(instance, events)
    assert (Chat.objects.count(), Message.objects.count()) == (1, 4)


@pytest.mark.parametrize("turned", [False, True])
def test_one_lid_with_two_numbers_in_a_batch(instance: Instance, turned: bool) -> None:
    """Was red: who has a new number and writes, or lies about it, had the whole batch refused by the database."""
    former = Party(BOB_LID, "5522999990000@s.whatsapp.net")
    batch = [
        arrived("3EB01", **UNDER_LID),
        arrived("3EB02", chat=Party(former.alt), sender=former),
        arrived("3EB03"),
        arrived("3EB04", chat=former, sender=former),
    ]
    for _ in range(2):
        take_in(instance, batch[::-1] if turned else batch)
        connection.check_constraints()
    assert set(Message.objects.values_list("message_id", flat=True)) == {one.message_id for one in batch}


def test_a_message_known_under_both_names_stays_once(instance: Instance) -> None:
    take_in(instance, [arrived(chat=Party(BOB_LID), sender=Party(BOB_LID))])
    take_in(instance, [arrived(chat=Party(BOB_PHONE), sender=Party(BOB_PHONE))])
    take_in(instance, [arrived("3EB02")])
    assert sorted(Message.objects.values_list("message_id", flat=True)) == ["3EB01", "3EB02"]


def test_a_pin_moves_with_its_message(instance: Instance) -> None:
    lid_only: dict[str, Any] = {"chat": Party(BOB_LID), "sender": Party(BOB_LID)}
    take_in(instance, [arrived(**lid_only), action("pin", "3EB01", 5, pin_duration=86_400, **lid_only)])
    take_in(instance, [arrived("3EB02")])
    assert Pin.objects.get().message.chat.jid == BOB_PHONE


def test_who_pinned_keeps_their_name(instance: Instance) -> None:
    """Was red: the pin said a LID that nobody had any more."""
    lid_only: dict[str, Any] = {"sender": Party(BOB_LID), "chat": Party(GROUP), "is_group": True}
    take_in(instance, [own("3EB02", chat=Party(GROUP), is_group=True)])
    take_in(instance, [action("pin", "3EB02", 5, pin_duration=86_400, **lid_only)])
    take_in(instance, [KNOWN])
    pin = Pin.objects.get()
    assert (pin.actor, pin.events.get().actor) == (BOB_PHONE, BOB_PHONE)


def test_instances_do_not_share_people(instance: Instance) -> None:
    other = Instance.objects.create(account=instance.account, name="desk")
    take_in(instance, [arrived()])
    take_in(other, [arrived()])
    assert (Message.objects.count(), Chat.objects.count(), Contact.objects.count()) == (2, 2, 2)


@pytest.mark.parametrize("by_a_group", [True, False])
def test_many_second_names_read_the_messages_once(instance: Instance, by_a_group: bool) -> None:
    """Was red: once for each, with everybody's messages waiting meanwhile; no index has the senders."""
    both = [Party(f"55218{number:08}@s.whatsapp.net", f"{2000 + number}@lid") for number in range(50)]
    take_in(instance, [PersonKnown(Party(party.alt)) for party in both])
    told: list[Stored] = [PersonKnown(party) for party in both]
    if by_a_group:
        told = [GroupChanged(GROUP, START, people=tuple(both))]
    with CaptureQueriesContext(connection) as queries:
        take_in(instance, told)
    reads = r'SELECT .*FROM "chats_message" WHERE .*"sender"'
    assert len([one for one in queries if re.match(reads, one["sql"])]) <= 1
    assert not Contact.objects.filter(jid__endswith="@lid").exists()


# --- One message under two names ---------------------------------------------------


UNDER_LID: dict[str, Any] = {"chat": Party(BOB_LID), "sender": Party(BOB_LID)}
UNDER_PHONE: dict[str, Any] = {"chat": Party(BOB_PHONE), "sender": Party(BOB_PHONE)}
KNOWN = PersonKnown(Party(BOB_PHONE, BOB_LID))
BOTH = pytest.mark.parametrize("first", [UNDER_LID, UNDER_PHONE], ids=["lid", "phone"])
# The two copies in two chats; or, under two senders, in one.
PLACES = pytest.mark.parametrize("place", [{}, {"chat": Party(GROUP), "is_group": True}], ids=["direct", "group"])


@BOTH
@PLACES
def test_what_hangs_on_one_copy_of_a_message_stays(instance: Instance, first: Any, place: Any) -> None:
    """Was red: pin, history, plans and the place in a batch went with the copy under the LID."""
    take_in(instance, [arrived(**first | place), action("pin", "3EB01", 5, pin_duration=604_800, **first | place)])
    message = Message.objects.get(kind="text")
    Schedule.objects.create(message=message, actor="Ana", step="unpin")
    batch = Batch.objects.create(instance=instance, action="pin", digest="d", actor="Ana")
    BatchItem.objects.create(batch=batch, message=message, called="3EB01")
    rule = Rule.objects.create(instance=instance, name="offers", trigger="message", actor="Ana", chat=message.chat)
    RuleHit.objects.create(rule=rule, instance=instance, message=message, called="3EB01")
    second = UNDER_PHONE if first is UNDER_LID else UNDER_LID
    take_in(instance, [arrived(**second | place)])
    take_in(instance, [KNOWN])
    message = Message.objects.get(kind="text")
    assert (message.sender, message.pin.state) == (BOB_PHONE, "pinned")
    assert set(message.pin.events.values_list("stanza_id", flat=True)) == {"pin-3EB01-5"}
    assert [row.message for row in (Schedule.objects.get(), BatchItem.objects.get(), RuleHit.objects.get())] == [
        message, message, message,
    ]  # fmt: skip
    assert Rule.objects.get().chat == message.chat


@BOTH
@PLACES
def test_an_edit_and_a_deletion_of_one_copy_stay(instance: Instance, first: Any, place: Any) -> None:
    of_first = first | place
    second = (UNDER_PHONE if first is UNDER_LID else UNDER_LID) | place
    take_in(instance, [arrived(**of_first), action("edit", "3EB01", 5, "mended", **of_first)])
    take_in(instance, [arrived("3EB02", **of_first), action("delete", "3EB02", 6, **of_first)])
    take_in(instance, [arrived("3EB03", **of_first | {"kind": "unreadable", "text": ""})])
    take_in(instance, [arrived(message_id, **second) for message_id in ("3EB01", "3EB02", "3EB03")])
    take_in(instance, [KNOWN])
    edited, deleted, readable = Message.objects.exclude(kind__in=Message.ACTIONS).order_by("message_id")
    assert (edited.text, edited.edited_at) == ("mended", START + timedelta(seconds=5))
    assert deleted.deleted_at == START + timedelta(seconds=6)
    assert (readable.kind, readable.text) == ("text", "hello")


@BOTH
def test_pins_of_both_copies_become_one(instance: Instance, first: Any) -> None:
    second = UNDER_PHONE if first is UNDER_LID else UNDER_LID
    take_in(instance, [arrived(**first), action("pin", "3EB01", 5, pin_duration=604_800, **first)])
    take_in(instance, [arrived(**second), action("pin", "3EB01", 9, pin_duration=86_400, **second)])
    take_in(instance, [KNOWN])
    pin = Pin.objects.get()
    assert (pin.state, pin.duration, pin.events.count()) == ("pinned", 86_400, 2)


@BOTH
def test_attempts_of_both_copies_are_settled(instance: Instance, first: Any) -> None:
    second = UNDER_PHONE if first is UNDER_LID else UNDER_LID
    until = timezone.now() + timedelta(seconds=30)
    attempts = []
    for names in (first, second):
        take_in(instance, [arrived(**names)])
        message = Message.objects.latest("pk")
        attempts.append(pinbook.open_attempt(message, Wish(86_400), Asker("Ana"), until).attempt)
    take_in(instance, [KNOWN])
    for attempt in attempts:
        assert attempt is not None
        pinbook.settle(attempt, Outcome.ACKNOWLEDGED)
    pin = Pin.objects.get()
    assert (pin.state, pin.attempt) == ("pinned", None)
    assert pin.events.filter(kind="acknowledged").count() == 2


def test_one_chat_shows_no_more_pins_than_whatsapp(instance: Instance) -> None:
    now = timezone.now().replace(microsecond=0)
    for number in range(6):
        names, message_id = (UNDER_LID if number % 2 else UNDER_PHONE), f"3EB0{number}"
        pin = replace(action("pin", message_id, 5, pin_duration=604_800, **names), sent_at=now + timedelta(0, number))
        take_in(instance, [arrived(message_id, **names), pin])
    take_in(instance, [KNOWN])
    shown = Pin.objects.filter(state="pinned").values_list("message__message_id", flat=True)
    assert sorted(shown) == ["3EB03", "3EB04", "3EB05"]


@BOTH
def test_what_was_done_by_the_other_name_is_done_once_both_are_known(instance: Instance, first: Any) -> None:
    """Was red: it waited for ever, though it stood in the message's own chat by then."""
    second = UNDER_PHONE if first is UNDER_LID else UNDER_LID
    take_in(instance, [arrived(**first), arrived("3EB02", **first), arrived("3EB03", **first)])
    done = [
        action("edit", "3EB01", 5, "mended", **second),
        action("delete", "3EB02", 6, **second),
        action("pin", "3EB03", 7, pin_duration=604_800, **second),
    ]
    take_in(instance, done)
    assert take_in(instance, [KNOWN]).changed == set(Message.objects.filter(kind="text").values_list("pk", flat=True))
    edited, deleted, pinned = Message.objects.filter(kind="text").order_by("message_id")
    assert (edited.text, edited.edited_at) == ("mended", START + timedelta(seconds=5))
    assert deleted.deleted_at == START + timedelta(seconds=6)
    assert (pinned.pin.state, pinned.pin.actor, pinned.pin.events.count()) == ("pinned", BOB_PHONE, 1)


@BOTH
def test_what_its_author_did_by_the_other_name_in_a_group(instance: Instance, first: Any) -> None:
    """Was red: nobody but the author may, and nobody knew that it was."""
    place: dict[str, Any] = {"chat": Party(GROUP), "is_group": True}
    second = UNDER_PHONE if first is UNDER_LID else UNDER_LID
    take_in(instance, [GroupChanged(GROUP, START, admins=(CARLA_LID,)), arrived(**first | place)])
    take_in(instance, [arrived("3EB02", **first | place), action("edit", "3EB01", 5, "mended", **second | place)])
    take_in(instance, [action("delete", "3EB02", 6, **second | place)])
    take_in(instance, [KNOWN])
    edited, deleted = Message.objects.filter(kind="text").order_by("message_id")
    assert (edited.text, deleted.deleted_at) == ("mended", START + timedelta(seconds=6))


def test_what_was_done_already_is_not_done_again(instance: Instance) -> None:
    """What a member tried stays undone when chats become one, though they are an admin by now."""
    theirs: dict[str, Any] = {"target": Target("3EB02", by_same_author=False), "sender": Party(BOB_LID)}
    tried = replace(action("delete", "3EB02", 5, **IN_GROUP), **theirs)
    take_in(instance, [GroupChanged(GROUP, START, admins=(CARLA_LID,)), own("3EB02", **IN_GROUP), tried])
    take_in(instance, [GroupChanged(GROUP, START, admins=(BOB_LID,))])
    take_in(instance, [arrived(**UNDER_LID), action("pin", "3EB01", 5, pin_duration=86_400, **UNDER_LID)])
    take_in(instance, [arrived("3EB03", **UNDER_PHONE)])
    assert take_in(instance, [KNOWN]).changed == set()
    assert Message.objects.get(message_id="3EB02").deleted_at is None
    assert Pin.objects.get().events.count() == 1


# --- Our own, of the number linked then ---------------------------------------------------


@pytest.mark.parametrize("sender", [Party(OWN_LID, OWN_PHONE), Party(OWN_PHONE), Party(OWN_PHONE, OWN_LID)])
def test_our_own_messages_before_and_after_a_logout_are_one_row(instance: Instance, sender: Party) -> None:
    """Under whichever of our names at the time they came."""
    Instance.objects.update(jid="", lid="")
    instance.refresh_from_db()
    take_in(instance, [replace(own("3EB02"), sender=sender)], live=False)
    instance.jid, instance.lid = OWN_PHONE, OWN_LID
    take_in(instance, [own("3EB02")], live=False)
    assert Message.objects.get().sender == OWN_PHONE


def test_what_another_number_wrote_stays_its_own(instance: Instance) -> None:
    """Was red: it was filed as the new number's."""
    instance.jid, instance.lid = "5511900000009@s.whatsapp.net", "1009@lid"
    take_in(instance, [own("3EB02")])
    message = Message.objects.get()
    assert (message.sender, message.from_me) == (OWN_PHONE, True)


def test_our_own_by_a_lid_that_is_not_known_yet(instance: Instance) -> None:
    instance.lid = ""
    take_in(instance, [replace(own("3EB02"), sender=Party(OWN_LID))])
    assert Message.objects.get().sender == OWN_PHONE
    assert list(Contact.objects.values_list("jid", flat=True)) == [BOB_PHONE]


def test_nobody_has_no_name(instance: Instance) -> None:
    instance.jid = instance.lid = ""
    take_in(instance, [replace(own("3EB02"), sender=Party(""))])
    assert not Contact.objects.filter(jid="").exists()


# --- What people are called -----------------------------------------------------------------


def test_the_phones_name_for_a_person_is_the_chats(instance: Instance) -> None:
    """Was red: a chat of the history was called by its number until its person wrote again."""
    take_in(instance, [PersonKnown(Party(BOB_PHONE, BOB_LID), name="Bob the plumber")], live=False)
    take_in(instance, [arrived(push_name="")], live=False)
    assert Chat.objects.get().name == "Bob the plumber"
    take_in(instance, [arrived("3EB02")])
    contact = Contact.objects.get()
    assert (Chat.objects.get().name, contact.push_name, contact.name) == ("Bob the plumber", "Bob", "Bob the plumber")


@pytest.mark.parametrize("turned", [False, True])
def test_a_name_in_a_piece_of_its_own_is_the_chats(instance: Instance, turned: bool) -> None:
    pieces: list[list[Stored]] = [[arrived(push_name="")], [PersonKnown(Party(BOB_PHONE), "Bob")]]
    for piece in pieces[::-1] if turned else pieces:
        take_in(instance, piece, live=False)
    take_in(instance, [KNOWN], live=False)
    assert Chat.objects.get().name == "Bob"


def test_an_edit_that_is_opened_later(instance: Instance) -> None:
    """The same edit: what it could not say at first, it says now."""
    target = Target("3EB01", by_same_author=True)
    shut = arrived("3EB02", kind="edit", text="", target=target, data={"unread": True})
    take_in(instance, [arrived("3EB01", "at ten"), shut])
    assert Message.objects.get(message_id="3EB01").text == "at ten"
    for _ in range(2):
        take_in(instance, [replace(shut, text="at eleven", data={})])
        assert Message.objects.get(message_id="3EB01").text == "at eleven"
        assert Message.objects.filter(message_id="3EB02").count() == 1
    take_in(instance, [shut])
    assert Message.objects.get(message_id="3EB02").text == "at eleven", "and does not unsay it"


def test_of_two_copies_of_an_edit_the_one_that_can_be_read_stays(instance: Instance) -> None:
    edit: dict[str, Any] = {"kind": "edit", "target": Target("3EB01", by_same_author=True)}
    take_in(instance, [arrived("3EB02", text="at eleven", **edit, **UNDER_LID)])
    take_in(instance, [arrived("3EB02", text="", data={"unread": True}, **edit, **UNDER_PHONE)])
    assert Message.objects.count() == 2
    take_in(instance, [PersonKnown(Party(BOB_PHONE, BOB_LID))])
    assert Message.objects.get().text == "at eleven"


def test_an_edit_that_is_opened_before_it_is_stored(instance: Instance) -> None:
    """While the database is away, both wait for it in one batch."""
    shut = arrived("3EB02", kind="edit", text="", target=Target("3EB01", by_same_author=True), data={"unread": True})
    take_in(instance, [arrived("3EB01", "at ten"), shut, replace(shut, text="at eleven", data={}), shut])
    assert Message.objects.get(message_id="3EB01").text == "at eleven"


def test_history_puts_no_old_name_over_a_newer_one(instance: Instance) -> None:
    take_in(instance, [arrived()])
    take_in(instance, [arrived("3EB00", push_name="Robert"), PersonKnown(Party(BOB_LID), "Robert")], live=False)
    assert (Chat.objects.get().name, Contact.objects.get().push_name) == ("Bob", "Bob")
    assert Message.objects.get(message_id="3EB00").sender_name == "Robert", "as it was then"
    take_in(instance, [arrived("3EB02", push_name="Bobby", **IN_GROUP)])
    assert Chat.objects.get(kind="direct").name == "Bobby"


def test_names_when_two_chats_become_one(instance: Instance) -> None:
    take_in(instance, [PersonKnown(Party(BOB_PHONE), name="Bob the plumber")], live=False)
    take_in(instance, [arrived(**UNDER_LID), arrived("3EB02", **UNDER_PHONE | {"push_name": ""})])
    take_in(instance, [KNOWN])
    assert Chat.objects.get().name == "Bob the plumber"


# --- Edits, deletions, pins ---------------------------------------------------------


def test_an_edit_changes_the_text(instance: Instance) -> None:
    taken = take_in(instance, [arrived(), action("edit", "3EB01", 5, "hello, Ana")])
    message = Message.objects.get(kind="text")
    assert (message.text, message.edited_at) == ("hello, Ana", START + timedelta(seconds=5))
    assert taken.changed == {message.pk}


@pytest.mark.parametrize("live_first", [True, False])
def test_an_edited_message_of_the_history(instance: Instance, live_first: bool) -> None:
    """As `adapter.past` tells it: the message as it is now, and the edit. Its first form may be there, or come."""
    past = [arrived(text="hello, Ana"), action("edit", "3EB01", 5, "hello, Ana")]
    takes: list[tuple[list[MessageArrived], bool]] = [([arrived()], True), (past, False), (past, False)]
    for events, live in takes[:: 1 if live_first else -1]:
        take_in(instance, events, live=live)
    message = Message.objects.exclude(kind="edit").get()
    assert (message.text, message.edited_at) == ("hello, Ana", START + timedelta(seconds=5))
    assert Message.objects.count() == 2


def test_an_edit_that_cannot_be_read_takes_nothing_away(instance: Instance) -> None:
    take_in(instance, [arrived(), action("edit", "3EB01", 5, data={"unread": True})])
    message = Message.objects.get(kind="text")
    assert (message.text, message.edited_at) == ("hello", None)
    take_in(instance, [action("edit", "3EB01", 4, "hello, Ana")])
    assert Message.objects.get(kind="text").text == "hello, Ana"


@pytest.mark.parametrize(
    ("caption", "text"),
    [("the offer", "the offer\noffer.pdf"), ("", "offer.pdf"), ("the offer\noffer.pdf", "the offer\noffer.pdf")],
)
def test_an_edited_caption_leaves_the_files_name(instance: Instance, caption: str, text: str) -> None:
    """Was red: the name was gone from the text, and the file found by it no more."""
    document = arrived(text="an offer\noffer.pdf", kind="document", data={"fileName": "offer.pdf"})
    take_in(instance, [document, action("edit", "3EB01", 5, caption)])
    assert Message.objects.get(kind="document").text == text


def test_a_caption_may_be_taken_away(instance: Instance) -> None:
    take_in(instance, [arrived(kind="image"), action("edit", "3EB01", 5, "")])
    assert Message.objects.get(kind="image").text == ""


def test_an_edit_by_somebody_else_changes_nothing(instance: Instance) -> None:
    stranger = Party("1003@lid", "5511900000003@s.whatsapp.net")
    forged = replace(action("edit", "3EB01", 5, "gone"), sender=stranger)
    take_in(instance, [arrived(), forged])
    assert Message.objects.get(message_id="3EB01").text == "hello"


def test_a_deletion_is_marked(instance: Instance) -> None:
    take_in(instance, [arrived(), action("delete", "3EB01", 5)])
    assert Message.objects.get(kind="text").deleted_at == START + timedelta(seconds=5)


def test_an_edit_after_the_deletion_changes_nothing(instance: Instance) -> None:
    take_in(instance, [arrived(), action("delete", "3EB01", 5)])
    take_in(instance, [action("edit", "3EB01", 9, "back again")])
    assert Message.objects.get(kind="text").text == "hello"


def test_the_other_side_cannot_delete_ours_in_a_direct_chat(instance: Instance) -> None:
    take_in(instance, [own("3EB02"), action("delete", "3EB02", 5)])
    assert Message.objects.get(kind="text").deleted_at is None


IN_GROUP: dict[str, Any] = {"chat": Party(GROUP), "is_group": True}
CARLA_LID = "1003@lid"


def by_carla(kind: str, **fields: Any) -> MessageArrived:
    """What Carla does to Bob's message in the group."""
    theirs = Target("3EB01", by_same_author=False, participant=BOB_LID)
    return replace(action(kind, "3EB01", 5, **IN_GROUP, **fields), sender=Party(CARLA_LID), target=theirs)


def test_an_admin_deletes_for_another_in_a_group(instance: Instance) -> None:
    take_in(instance, [GroupChanged(GROUP, START, admins=(CARLA_LID,)), arrived(**IN_GROUP), by_carla("delete")])
    assert Message.objects.get(kind="text").deleted_at is not None


@pytest.mark.parametrize("same_author", [True, False])
def test_a_member_deletes_for_nobody_else(instance: Instance, same_author: bool) -> None:
    forged = by_carla("delete")
    forged = replace(forged, target=replace(forged.target, by_same_author=same_author))  # type: ignore[type-var]
    take_in(instance, [GroupChanged(GROUP, START, admins=(BOB_LID,)), arrived(**IN_GROUP), forged])
    assert Message.objects.get(kind="text").deleted_at is None


@pytest.mark.parametrize(("admins", "deleted"), [((CARLA_LID,), True), ((BOB_LID,), False)])
def test_a_deletion_waits_until_it_is_known_who_is_an_admin(
    instance: Instance, admins: tuple[str, ...], deleted: bool
) -> None:
    take_in(instance, [arrived(**IN_GROUP)])
    assert take_in(instance, [by_carla("delete")]).unknown_groups == {GROUP}
    assert Message.objects.get(kind="text").deleted_at is None
    take_in(instance, [GroupChanged(GROUP, START, admins=admins)])
    assert (Message.objects.get(kind="text").deleted_at is not None) == deleted
    assert not Message.objects.filter(data__waits=True).exists()


def test_what_a_member_tried_is_not_done_when_they_become_an_admin(instance: Instance) -> None:
    take_in(instance, [GroupChanged(GROUP, START, admins=(BOB_LID,)), arrived(**IN_GROUP), by_carla("delete")])
    promoted = GroupChanged(GROUP, START, change={"promoted": [CARLA_LID]})
    assert take_in(instance, [promoted]).unknown_groups == {GROUP}, "they are asked for anew"
    take_in(instance, [GroupChanged(GROUP, START, admins=(BOB_LID, CARLA_LID))])
    assert Message.objects.get(kind="text").deleted_at is None


@pytest.mark.parametrize("rule", ["locked", "announce"])
def test_a_members_pin_where_only_admins_may(instance: Instance, rule: str) -> None:
    known = GroupChanged(GROUP, START, admins=(BOB_LID,), **{rule: True})  # type: ignore[arg-type]
    take_in(instance, [known, arrived(**IN_GROUP), by_carla("pin", pin_duration=86_400)])
    assert not Pin.objects.exists()
    take_in(instance, [replace(by_carla("pin", pin_duration=86_400), sender=Party(BOB_LID), message_id="by Bob")])
    assert Pin.objects.get().state == "pinned"


@pytest.mark.parametrize("rule", ["locked", "announce"])
def test_a_pin_of_the_history_where_only_admins_may(instance: Instance, rule: str) -> None:
    """Was red: the history does not say who pinned, so nobody was an admin; the phone shows the pin."""
    past = HistorySync(syncType=HistorySync.RECENT)
    message = past.conversations.add(ID=GROUP).messages.add().message
    message.key.ID, message.key.participant, message.message.conversation = "3EB01", BOB_LID, "hello"
    message.messageTimestamp = int(START.timestamp())
    message.pinInChat.type, message.pinInChat.senderTimestampMS = PinInChat.PIN_FOR_ALL, int(START.timestamp() * 1000)
    _, events = read_history(past.SerializeToString(), Party(OWN_PHONE, OWN_LID))
    known = GroupChanged(GROUP, START, admins=(CARLA_LID,), **{rule: True})  # type: ignore[arg-type]
    take_in(instance, [known])
    assert take_in(instance, list(events), live=False).unknown_groups == set()
    assert Pin.objects.get().state == "pinned"


def test_a_message_of_the_same_id_elsewhere_is_no_news_of_the_first(instance: Instance) -> None:
    """Was red: the pin's history had its line once more for each."""
    take_in(instance, [arrived(), action("pin", "3EB01", 5, pin_duration=86_400)])
    take_in(instance, [arrived(**IN_GROUP)])
    assert Pin.objects.get().events.count() == 1


def test_two_messages_of_one_id(instance: Instance) -> None:
    """Ids are chosen by whoever sends: Carla takes Bob's, and what is done to his message is not done to hers."""
    hers = arrived(**IN_GROUP, sender=Party(CARLA_LID), sent_at=START - timedelta(seconds=1), text="hers")
    admin = GroupChanged(GROUP, START, admins=("1004@lid",))
    take_in(instance, [admin, hers, arrived(**IN_GROUP), replace(by_carla("delete"), sender=Party("1004@lid"))])
    assert list(Message.objects.filter(kind="text", deleted_at=None).values_list("text", flat=True)) == ["hers"]


def test_a_contacts_pin_and_unpin(instance: Instance) -> None:
    take_in(instance, [arrived(), action("pin", "3EB01", 5, pin_duration=604_800)])
    pin = Pin.objects.get()
    assert (pin.state, pin.actor, pin.expires_at) == ("pinned", BOB_PHONE, START + timedelta(seconds=5, days=7))
    take_in(instance, [action("pin", "3EB01", 9, pin_duration=None)])
    assert Pin.objects.get().state == "unpinned"


def test_a_contact_pins_our_message(instance: Instance) -> None:
    theirs = replace(action("pin", "3EB02", 5, pin_duration=86_400), target=Target("3EB02", by_same_author=False))
    take_in(instance, [own("3EB02"), theirs])
    assert Pin.objects.get().message.from_me


def test_a_pin_of_a_message_that_is_not_there_waits_for_it(instance: Instance) -> None:
    take_in(instance, [action("pin", "3EB01", 5, pin_duration=86_400)])
    assert not Pin.objects.exists()
    take_in(instance, [arrived()])
    assert Pin.objects.get().state == "pinned"


def test_a_reaction_stands_beside_its_message(instance: Instance) -> None:
    take_in(instance, [arrived(), action("reaction", "3EB01", 5, "👍")])
    reaction = Message.objects.get(kind="reaction")
    assert (reaction.text, reaction.target_id) == ("👍", "3EB01")
    assert Chat.objects.get().last_message_at == START, "a reaction is no news for the list of chats"


def test_the_readable_replaces_the_unreadable(instance: Instance) -> None:
    take_in(instance, [replace(arrived(text=""), kind="unreadable")])
    take_in(instance, [arrived()])
    take_in(instance, [replace(arrived(text=""), kind="unreadable")])
    assert Message.objects.get().text == "hello"


# --- What becomes readable ------------------------------------------------------------

UNREADABLE = replace(arrived(text=""), kind="unreadable")


@pytest.mark.parametrize("settled_first", [True, False])
def test_what_hangs_on_an_unreadable_message_stays_when_it_can_be_read(instance: Instance, settled_first: bool) -> None:
    """Was red: pin, history and plan went with the row, and the attempt under way found nothing to settle."""
    take_in(instance, [UNREADABLE])
    message = Message.objects.get()
    until = timezone.now() + timedelta(seconds=30)
    attempt = pinbook.open_attempt(message, Wish(604_800), Asker("Ana"), until).attempt
    assert attempt is not None
    assert not settled_first or pinbook.settle(attempt, Outcome.ACKNOWLEDGED)
    Schedule.objects.create(message=message, actor="Ana", step="unpin")
    batch = Batch.objects.create(instance=instance, action="pin", digest="d", actor="Ana")
    BatchItem.objects.create(batch=batch, message=message, called="3EB01")
    rule = Rule.objects.create(instance=instance, name="Bob's", trigger="message", actor="Ana", people=[BOB_PHONE])
    RuleHit.objects.create(rule=rule, instance=instance, message=message, called="3EB01")
    taken = take_in(instance, [arrived()])
    assert (taken.messages, Message.objects.get().text) == ([message], "hello")
    assert settled_first or pinbook.settle(attempt, Outcome.ACKNOWLEDGED)
    pin = Pin.objects.get()
    assert (pin.message, pin.state) == (message, "pinned")
    assert list(pin.events.values_list("kind", flat=True)) == ["asked", "acknowledged"]
    hanging = (Schedule.objects.get(), BatchItem.objects.get(), RuleHit.objects.get())
    assert {row.message for row in hanging} == {message}
    assert [hit.message for hit in search.search([instance.pk], search.parse("hello")).hits] == [message]


def test_what_becomes_readable_is_news(instance: Instance) -> None:
    """For rules, and under an id of its own for other programs, who know the first one already."""
    webhooks.add(instance, "https://crm.example.com/", ["message.exchange"])
    Rule.objects.create(instance=instance, name="offers", trigger="message", words="hello", active=True, since=START)
    take_in(instance, [UNREADABLE])
    take_in(instance, [arrived()])
    first, second = OutgoingEvent.objects.order_by("pk")
    assert [json.loads(event.body)["data"]["type"] for event in (first, second)] == ["unreadable", "text"]
    assert first.uid != second.uid
    assert RuleHit.objects.get().message == Message.objects.get()


def test_what_was_done_to_an_unreadable_message(instance: Instance) -> None:
    """It is noted once, however often the message comes."""
    done = [
        action("pin", "3EB01", 5, pin_duration=604_800),
        action("edit", "3EB01", 6, "hello, Ana"),
        action("delete", "3EB01", 9),
    ]
    take_in(instance, [UNREADABLE, *done])
    take_in(instance, [arrived()])
    message = Message.objects.get(message_id="3EB01")
    assert (message.text, message.edited_at) == ("hello, Ana", START + timedelta(seconds=6))
    assert message.deleted_at == START + timedelta(seconds=9)
    assert list(message.pin.events.values_list("kind", flat=True)) == ["seen", "deleted"]
    assert message.pin.state == "unpinned"


def test_a_pinned_message_that_turns_out_to_disappear(instance: Instance) -> None:
    take_in(instance, [UNREADABLE, action("pin", "3EB01", 5, pin_duration=604_800)])
    take_in(instance, [arrived(disappears_after=86_400)])
    pin = Pin.objects.get()
    assert (pin.expires_at, pin.events.count()) == (START + timedelta(days=1), 1)
    take_in(instance, [action("keep", "3EB01", 7, data={"kept": True})])
    assert Pin.objects.get().expires_at == START + timedelta(seconds=5, days=7)


# --- Groups ----------------------------------------------------------------------------


def test_a_new_group_asks_for_its_name_once(instance: Instance) -> None:
    in_group: dict[str, Any] = {"chat": Party(GROUP), "is_group": True}
    assert take_in(instance, [arrived(**in_group)]).unknown_groups == {GROUP}
    assert take_in(instance, [arrived("3EB02", **in_group)]).unknown_groups == set()
    assert Chat.objects.get().name == "", "nobody's own name is the group's"


def test_a_group_is_brought_up_to_date(instance: Instance) -> None:
    change = GroupChanged(GROUP, START, name="Sales", locked=True, text="changed the name", actor=Party(BOB_LID))
    take_in(instance, [change])
    take_in(instance, [change, GroupChanged(GROUP, START, announce=True)])
    chat = Chat.objects.get()
    assert (chat.kind, chat.name, chat.locked, chat.announce) == ("group", "Sales", True, True)
    assert Message.objects.get().kind == "system", "the same change twice is one line"


def test_history_puts_no_old_name_over_a_groups_newer_one(instance: Instance) -> None:
    """Was red: it was called as it was when the phone wrote its history, until it was renamed again."""
    for name, live in (("oldest", False), ("new", True), ("old", False)):
        take_in(instance, [GroupChanged(GROUP, START, name=name)], live=live)
        assert Chat.objects.get().name == ("oldest" if name == "oldest" else "new")


def test_a_group_tells_both_names_of_its_people(instance: Instance) -> None:
    take_in(instance, [arrived(chat=Party(BOB_LID), sender=Party(BOB_LID))])
    take_in(instance, [GroupChanged(GROUP, START, name="Sales", people=(Party(BOB_PHONE, BOB_LID),))])
    assert Message.objects.get().sender == BOB_PHONE


# --- Bad input ---------------------------------------------------------------------------


def test_nul_and_long_names_are_no_error(instance: Instance) -> None:
    take_in(instance, [arrived(text="a\x00b", push_name="N" * 500 + "\x00"), arrived("\x00", quoted_id="Q" * 500)])
    assert Message.objects.filter(text="a\ufffdb").exists()


# --- Any order, any batches ------------------------------------------------------------------


STORY = [
    arrived("3EB01", "one"),
    own("3EB02", "two", sent_at=START + timedelta(seconds=1)),
    action("edit", "3EB01", 2, "one, mended"),
    action("edit", "3EB01", 3, "one, mended twice"),
    action("pin", "3EB01", 4, pin_duration=604_800),
    action("pin", "3EB01", 5, pin_duration=None),
    action("pin", "3EB01", 6, pin_duration=86_400),
    replace(action("pin", "3EB02", 7, pin_duration=86_400), target=Target("3EB02", by_same_author=False)),
    arrived("3EB03", "three", chat=Party(BOB_LID), sender=Party(BOB_LID), sent_at=START + timedelta(seconds=8)),
    action("delete", "3EB03", 9),
    arrived("3EB04", "four", chat=Party(BOB_PHONE), sender=Party(BOB_PHONE), sent_at=START + timedelta(seconds=10)),
    action("edit", "3EB04", 11, "four, mended", chat=Party(BOB_LID), sender=Party(BOB_LID)),
    action("pin", "3EB04", 12, pin_duration=86_400, chat=Party(BOB_LID), sender=Party(BOB_LID)),
]
# What the phone tells of before: he was called otherwise then, and only one of his names is told.
PAST = [
    arrived("3EB00", "zero", sent_at=START - timedelta(days=90), push_name="Robert"),
    arrived("3EB05", "five", **UNDER_PHONE | {"sent_at": START - timedelta(days=60), "push_name": "Roberto"}),
    arrived("3EB01", "one", push_name="Rob"),
    PersonKnown(Party(BOB_LID), "Robin"),
]


class AnyOrder(HypothesisTestCase):
    """However the events come, and however often, the same is known at the end."""

    @settings(max_examples=60, deadline=None)
    @given(
        order=st.permutations([*STORY, *PAST]),
        again=st.lists(st.sampled_from([*STORY, *PAST]), max_size=4),
        cuts=st.sets(st.integers(1, len(STORY) + len(PAST) + 3), max_size=5),
    )
    def test_the_same_is_known_at_the_end(self, order: list[Stored], again: list[Stored], cuts: set[int]) -> None:
        instance = make_instance()
        events = order + again
        bounds = [0, *sorted(cuts), len(events)]
        for start, end in itertools.pairwise(bounds):
            some = events[start:end]
            take_in(instance, [event for event in some if event in PAST], live=False)
            take_in(instance, [event for event in some if event in STORY])
        said = Message.objects.filter(kind="text").order_by("message_id")
        assert [(row.message_id, row.text, row.deleted_at is not None) for row in said] == [
            ("3EB00", "zero", False),
            ("3EB01", "one, mended twice", False),
            ("3EB02", "two", False),
            ("3EB03", "three", True),
            ("3EB04", "four, mended", False),
            ("3EB05", "five", False),
        ]
        assert Message.objects.count() == len(STORY) + 2
        assert (Chat.objects.get().jid, Chat.objects.get().name) == (BOB_PHONE, "Bob")
        assert Contact.objects.get().push_name == "Bob"
        pins = Pin.objects.order_by("message__message_id")
        assert [(pin.message.message_id, pin.state, pin.duration) for pin in pins] == [
            ("3EB01", "pinned", 86_400),
            ("3EB02", "pinned", 86_400),
            ("3EB04", "pinned", 86_400),
        ]


# Unreadable at first, and what was done to them by the other name; in the end, who it was.
UNDER_TWO_NAMES: list[Stored] = [
    replace(UNREADABLE, **UNDER_PHONE),
    arrived(disappears_after=86_400, **UNDER_PHONE),
    action("edit", "3EB01", 11, "hello, Ana", **UNDER_LID),
    action("pin", "3EB01", 12, pin_duration=604_800, **UNDER_LID),
    action("keep", "3EB01", 13, data={"kept": True}, **UNDER_LID),
    replace(UNREADABLE, message_id="3EB02", **UNDER_LID),
    arrived("3EB02", **UNDER_LID),
    action("edit", "3EB02", 14, "hello, all", **UNDER_PHONE),
    action("delete", "3EB02", 15, **UNDER_PHONE),
    arrived("3EB03", **UNDER_LID | IN_GROUP),
    action("edit", "3EB03", 16, "hello, Carla", **UNDER_PHONE | IN_GROUP),
    action("pin", "3EB03", 17, pin_duration=604_800, **UNDER_PHONE | IN_GROUP),
    KNOWN,
]


class AnyOrderOfNames(HypothesisTestCase):
    """The same, where nothing tells that the two names are one but the last of these, wherever it comes."""

    @settings(max_examples=60, deadline=None)
    @given(
        order=st.permutations(UNDER_TWO_NAMES),
        cuts=st.sets(st.integers(1, len(UNDER_TWO_NAMES) - 1), max_size=9),
        live=st.lists(st.booleans(), min_size=10, max_size=10),
    )
    def test_the_same_is_known_at_the_end(self, order: list[Stored], cuts: set[int], live: list[bool]) -> None:
        instance = make_instance()
        bounds = itertools.pairwise([0, *sorted(cuts), len(order)])
        for (start, end), now in zip(bounds, live, strict=False):
            take_in(instance, order[start:end], live=now)
        kept, deleted, grouped = Message.objects.exclude(kind__in=Message.ACTIONS).order_by("message_id")
        assert [row.text for row in (kept, deleted, grouped)] == ["hello, Ana", "hello, all", "hello, Carla"]
        assert (kept.disappears_at, deleted.deleted_at) == (None, START + timedelta(seconds=15))
        for message, second in ((kept, 12), (grouped, 17)):
            pin, lines = message.pin, [line.kind for line in message.pin.events.all()]
            assert (pin.state, pin.actor, pin.expires_at) == (
                "pinned", BOB_PHONE, START + timedelta(seconds=second, days=7),
            )  # fmt: skip
            assert (lines[0], lines.count("seen")) == ("seen", 1)
        found = search.search([instance.pk], search.parse("hello")).hits
        assert {hit.message for hit in found} == {kept, grouped}
