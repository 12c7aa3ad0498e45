"""What no honest client sends, on its way into the database: all of it is stored, and nothing beside it is hurt."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase as HypothesisTestCase

from chats import harmless, marks
from chats.intake import take_in
from chats.models import Chat, Contact, Message, Pin
from instances.models import Instance
from instances.whatsapp import journal
from instances.whatsapp.events import GroupChanged, MessageArrived, Party, PersonKnown, Target
from tests.test_intake import BOB_LID, GROUP, START, action, arrived, make_instance

LONGEST = harmless.LONGEST_TEXT


@pytest.fixture
def instance(db: None) -> Instance:
    return make_instance()


CASES: dict[str, dict[str, Any]] = {
    "a NUL in a file's name": {"kind": "document", "data": {"fileName": "a\x00b"}},
    "a NUL deep in the data": {"kind": "poll", "data": {"options": ["a", {"b": "\x00"}]}},
    "a NUL in what the data calls a number": {"kind": "poll", "data": {"\x00": 0}},
    "a place that is no number": {"kind": "location", "data": {"latitude": math.nan, "longitude": math.inf}},
    "lengths without sense": {"kind": "image", "data": {"length": 2**64 - 1, "seconds": 2**32 - 1}},
    "half a character": {"text": "a\ud800b"},
    "half a character in a name": {"push_name": "\udfff"},
    "half a character in the data": {"kind": "document", "data": {"fileName": "\ud800"}},
    "NULs in names": {"sender": Party("9\x00@lid"), "chat": Party("9\x00@lid"), "push_name": "\x00"},
    "long names": {"sender": Party("9" * 100 + "@lid"), "chat": Party("9" * 100 + "@lid"), "push_name": "x" * 70_000},
    "ids of NULs": {"quoted_id": "\x00" * 999, "kind": "reaction", "target": Target("\x00" * 999, True)},
    "the end of time": {"sent_at": datetime.max.replace(tzinfo=UTC), "disappears_after": 2**32 - 1},
    "the beginning of time": {"sent_at": datetime.min.replace(tzinfo=UTC)},
    "directions and nothing to see": {"text": "\u202e\u2066\u200b\u2028\ufeff", "push_name": "\u202egnp.exe\u200b"},
    "16 MB": {"text": "ab " * 5_600_000},
    "a MB of different words": {"text": " ".join(f"word{number}" for number in range(120_000))},
    "a megabyte of cards": {"kind": "contact", "data": {"vcards": ["x" * 60_000] * 30}},
    "signs without spaces": {"text": "".join(chr(0x4E00 + at % 20_000) for at in range(LONGEST))},
}


@pytest.mark.parametrize("fields", CASES.values(), ids=CASES.keys())
def test_it_is_stored(instance: Instance, fields: dict[str, Any]) -> None:
    take_in(instance, [arrived("3EB00", "before"), arrived(**fields), arrived("3EB02", "after")])
    stored = Message.objects.get(message_id="3EB01")
    assert len(stored.text) <= LONGEST
    assert set(Message.objects.values_list("text", flat=True)) >= {"before", "after"}


def test_the_longest_text_of_whatsapps_own_apps_is_kept_whole(instance: Instance) -> None:
    text = "".join(chr(0x1F600 + at % 64) for at in range(LONGEST))
    take_in(instance, [arrived(text=text)])
    assert Message.objects.get().text == text


def test_what_was_cut_says_so(instance: Instance) -> None:
    take_in(instance, [arrived(text="x" * (LONGEST + 7))])
    assert Message.objects.get().data["cut"] == LONGEST + 7


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("\u202egpj.exe\u2066", "gpj.exe"),
        ("\u200b\u2060 \u3164", ""),
        ("\u0645\u06cc\u200c\u062e\u0648", "\u0645\u06cc\u200c\u062e\u0648"),
        ("\U0001f469\u200d\U0001f680", "\U0001f469\u200d\U0001f680"),
    ],
)
def test_a_name_turns_nothing_around_and_can_be_seen(instance: Instance, name: str, kept: str) -> None:
    """Was red: "Pinned by" and the time beside it stood in the wrong order; nobody saw a name of nothing."""
    take_in(instance, [arrived(push_name=name), GroupChanged(GROUP, START, name=name)])
    assert Message.objects.get().sender_name == kept
    assert set(Chat.objects.values_list("name", flat=True)) == {kept}


@pytest.mark.parametrize("first", [True, False])
def test_a_pin_for_136_years(instance: Instance, first: bool) -> None:
    """PostgreSQL's integers end at 68; and the message must not fall with a pin that waits for it."""
    pin = action("pin", "3EB01", 5, pin_duration=2**32 - 1)
    for event in (pin, arrived()) if first else (arrived(), pin):
        take_in(instance, [event])
    assert Pin.objects.get().duration == harmless.LONGEST_SECONDS


def test_an_unpin_of_what_was_never_pinned_and_a_pin_of_what_is_not_there(instance: Instance) -> None:
    take_in(
        instance, [arrived(), action("pin", "3EB01", 5, pin_duration=None), action("pin", "NONE", 6, pin_duration=1)]
    )
    assert Pin.objects.get().state == "unpinned"


def test_a_message_from_the_future_does_not_make_what_follows_read(instance: Instance) -> None:
    """Was red: whoever saw it in the chat had read everything until 2140."""
    take_in(instance, [arrived(sent_at=datetime(2140, 1, 1, tzinfo=UTC))])
    message = Message.objects.get()
    marks.mark_read(message.chat, message.sent_at)
    take_in(instance, [arrived("3EB02", sent_at=timezone.now() + timedelta(days=2))])
    assert message.chat.read_at is not None
    assert message.chat.read_at < Message.objects.get(message_id="3EB02").sent_at


def people(count: int) -> tuple[Party, ...]:
    return tuple(Party(f"55{number:011}@s.whatsapp.net", f"{number:09}@lid") for number in range(count))


def test_a_group_of_10_000(instance: Instance) -> None:
    """Was red: 30,000 statements in one transaction, 17 s in which nobody's message was stored."""
    group = GroupChanged(GROUP, START, name="Town", admins=("000000001@lid",), people=people(10_000))
    take_in(instance, [arrived(sender=Party("000000007@lid"), chat=Party("000000007@lid"))])
    with CaptureQueriesContext(connection) as queries:
        take_in(instance, [group])
    assert len(queries) < 100
    assert Contact.objects.count() == 10_000
    assert Message.objects.get().sender == "5500000000007@s.whatsapp.net", "his number is known now"
    with CaptureQueriesContext(connection) as queries:
        take_in(instance, [group])
    assert len(queries) < 40


def test_10_000_are_added(instance: Instance) -> None:
    jids = [party.alt for party in people(10_000)]
    change = GroupChanged(GROUP, START, text="added " + ", ".join(jids), change={"added": jids}, actor=Party(BOB_LID))
    take_in(instance, [change])
    notice = Message.objects.get()
    assert notice.data == {"added": jids}
    assert len(notice.text) == LONGEST


# --- Anything at all ---------------------------------------------------------------------

# Few letters, most of them bad.
letters = st.sampled_from("aA0 @.<>=\x00\ud800\udfff\u202e\u200b\ufffd\n\r\t\U0001f600")
words = st.text(letters, max_size=90)
numbers = st.integers(-(2**64), 2**64)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
jids = st.sampled_from(["1002@lid", "5522@s.whatsapp.net", "120363@g.us", "@", "x@\x00"]) | words
parties = st.builds(Party, jids, jids)
times = st.datetimes(timezones=st.just(UTC))
ids = st.sampled_from(["3EB01", "3EB02", ""]) | words
messages = st.builds(
    MessageArrived,
    message_id=ids,
    chat=parties,
    sender=parties,
    is_group=st.booleans(),
    from_me=st.booleans(),
    sent_at=times,
    kind=st.sampled_from(Message.Kind.values),
    text=words,
    push_name=words,
    quoted_id=ids,
    target=st.none() | st.builds(Target, ids, st.booleans(), jids),
    pin_duration=st.none() | st.integers(0, 2**32 - 1),
    disappears_after=st.integers(0, 2**32 - 1),
    data=st.dictionaries(words, values, max_size=3),
)
groups = st.builds(
    GroupChanged,
    jid=jids,
    at=times,
    name=st.none() | words,
    locked=st.none() | st.booleans(),
    announce=st.none() | st.booleans(),
    text=words,
    actor=st.none() | parties,
    admins=st.none() | st.lists(jids, max_size=3).map(tuple),
    people=st.lists(parties, max_size=4).map(tuple),
    change=st.dictionaries(words, values, max_size=2),
)
anything = st.lists(messages | groups | st.builds(PersonKnown, parties, words), max_size=5)


class Anything(HypothesisTestCase):
    """However strange: it goes into the journal and the database, once, and a good message beside it as well."""

    @settings(max_examples=60, deadline=None)
    @given(anything)
    def test_it_is_taken_in(self, events: list[Any]) -> None:
        instance = make_instance()
        for event in events:
            assert journal.decode(journal.encode(instance.uid, event).rstrip()) is not None
        take_in(instance, [*events, arrived("GOOD", "a good one")])
        take_in(instance, [*events, arrived("GOOD", "a good one")])
        assert Message.objects.filter(message_id="GOOD", text="a good one").count() == 1
