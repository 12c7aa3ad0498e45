"""Rules: what fits, noticed as it comes in and never in the history, pinned once, no more than so many an hour."""

# ruff: noqa: F811

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chats.errands.batch import By
from chats.intake import take_in
from chats.models import Message, Pin, Rule, RuleHit
from chats.rules import manage, notice, runner
from chats.rules.manage import Fault, InvalidRule, Wanted
from chats.rules.match import emoji, hashtags, spaced
from chats.rules.preview import preview
from chats.schedule.runner import LATE
from instances import tokens
from instances.models import Account, Instance, Token
from instances.states import State as Connection
from instances.whatsapp.errors import AdminsOnly
from instances.whatsapp.events import MessageArrived, Party, PersonKnown, Target
from portal.models import AuditLine
from tests.test_batch import Clock
from tests.test_pins import Owner, owner  # noqa: F401

ANA, BOB, CARLA, US = (f"55119999900{number:02}@s.whatsapp.net" for number in (1, 2, 3, 9))
GROUP = "120363406289005073@g.us"
MANY = tuple(f"55119{number:08}" for number in range(51))
WEEK = 604_800


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def instance(db: None) -> Instance:
    account = Account.objects.create(name="Alice")
    return Instance.objects.create(account=account, name="shop", state=Connection.CONNECTED, jid=US)


@pytest.fixture
def by(instance: Instance) -> By:
    return By(token=tokens.issue(instance.account, label="CRM")[0])


class Chat:
    """People write, as the connector tells it."""

    def __init__(self, instance: Instance, clock: Clock) -> None:
        self.instance, self.clock, self.count = instance, clock, 0

    def say(self, text: str, sender: str = BOB, chat: str = GROUP, *, live: bool = True, **more: Any) -> str:
        self.count += 1
        event = MessageArrived(
            f"3EB{self.count:03}",
            Party(chat),
            Party(sender),
            chat.endswith("@g.us"),
            sender == US,
            self.clock.now,
            text=text,
            **{"kind": "text", **more},
        )
        take_in(self.instance, [event], live=live)
        return event.message_id

    def react(self, to: str, text: str, sender: str, author: str = "") -> None:
        self.say(text, sender, kind="reaction", target=Target(to, sender == author, author))


@pytest.fixture
def chat(instance: Instance, clock: Clock) -> Chat:
    return Chat(instance, clock)


def rule(instance: Instance, by: By, *, on: bool = True, **wanted: Any) -> Rule:
    made = manage.add(instance, Wanted(**{"name": "R", "trigger": "message", "duration": WEEK, **wanted}), by)
    if on:
        manage.switch(made, True, by)
    return made


def found() -> list[tuple[str, str]]:
    return list(RuleHit.objects.order_by("pk").values_list("called", "state"))


def pinned() -> list[str]:
    return list(RuleHit.objects.order_by("pk").values_list("message__text", flat=True))


def test_it_works(owner: Owner, instance: Instance, by: By, chat: Chat, clock: Clock) -> None:
    chat.say("hello")
    rule(instance, by, words="address", people=(BOB,), chat=GROUP)
    chat.say("the Address: 5 Elm St")
    for text, sender, where in (("addresses", BOB, GROUP), ("address", ANA, GROUP), ("address", BOB, BOB)):
        chat.say(text, sender, where)
    assert found() == [("3EB002", "waiting")]
    assert runner.due_instances(clock.now) == [instance.pk]
    runner.run_instance(instance.pk)
    assert [(order.message_id, order.duration) for order in owner.orders] == [("3EB002", WEEK)]
    assert (Pin.objects.get().actor, found()) == ("rule 'R'", [("3EB002", "done")])
    runner.run_instance(instance.pk)
    assert len(owner.orders) == 1
    assert [line.action for line in AuditLine.objects.order_by("pk")] == ["rule added", "rule switched on"]


def test_a_hashtag_of_our_own(instance: Instance, by: By, chat: Chat) -> None:
    rule(instance, by, trigger="hashtag", words="#Wichtig")
    for text, sender in (
        ("so #wichtig!", US),
        ("#wichtiger", US),
        ("wichtig", US),
        ("#wichtig", BOB),
        ("x #a#wichtig", US),
    ):
        chat.say(text, sender)
    assert [called for called, _ in found()] == ["3EB001", "3EB005"]


def test_a_reaction_by_who_may(instance: Instance, by: By, chat: Chat) -> None:
    rule(instance, by, trigger="reaction", words="📌", people=(ANA, "me"))
    messages = [chat.say(text) for text in ("one", "two", "three")]
    chat.react(messages[0], "📌", BOB)
    chat.react(messages[1], "📌\ufe0f", ANA)
    chat.react(messages[1], "📌", US)
    chat.react(messages[2], "👍", ANA)
    chat.react("NOWHERE", "📌", ANA)
    assert found() == [(messages[1], "waiting")]


@pytest.mark.parametrize("author", [BOB, "", US])
def test_a_reaction_to_a_message_whose_id_somebody_copied(
    owner: Owner, instance: Instance, by: By, chat: Chat, clock: Clock, author: str
) -> None:
    """Was red: the copier's words were pinned for everyone in the place of those that were reacted to."""
    rule(instance, by, trigger="reaction", words="📌", people=(ANA,))
    message = chat.say("what was meant", BOB)
    clock.later(1)
    chat.count -= 1
    assert chat.say("a copier's words", CARLA) == message
    clock.later(1)
    chat.react(message, "📌", ANA, author)
    assert pinned() == ["what was meant"]
    assert [one.text for one in preview(Rule.objects.get()).messages] == ["what was meant"]
    runner.run_instance(instance.pk)
    assert [order.participant for order in owner.orders] == [BOB]


def test_a_reaction_to_the_copy_means_the_copy(instance: Instance, by: By, chat: Chat, clock: Clock) -> None:
    rule(instance, by, trigger="reaction", words="📌", people=(ANA,))
    message = chat.say("first", BOB)
    clock.later(1)
    chat.count -= 1
    chat.say("a copier's words", CARLA)
    chat.react(message, "📌", ANA, CARLA)
    assert pinned() == ["a copier's words"]


def test_a_status_sets_nothing_off(instance: Instance, by: By, chat: Chat) -> None:
    """Was red: a contact's status made the account send a pin to its whole address book."""
    rule(instance, by, words="address")
    chat.say("my address", BOB, "status@broadcast")
    chat.say("my address", BOB, "120363@newsletter")
    assert found() == []
    assert preview(Rule.objects.get()).found == 0


def test_the_history_sets_nothing_off(instance: Instance, by: By, chat: Chat, clock: Clock) -> None:
    rule(instance, by, words="address")
    chat.say("address", live=False)
    clock.now -= timedelta(minutes=1)
    chat.say("address from before it was on")
    assert found() == []


def test_the_same_message_is_found_once(instance: Instance, by: By, chat: Chat) -> None:
    first = rule(instance, by, words="address")
    rule(instance, by, words="elm")
    message = chat.say("address: elm street")
    chat.count -= 1
    chat.say("address: elm street")
    hit = RuleHit.objects.get()
    assert (hit.rule, hit.called) == (first, message)


def test_a_person_whose_number_becomes_known(instance: Instance, by: By, chat: Chat) -> None:
    """Was red: the rule named them by their LID for ever, and their messages came under the number."""
    lid = "1002@lid"
    chat.say("hello", lid)
    rule(instance, by, words="address", people=(lid, "me"))
    rule(instance, by, words="address", people=(BOB, lid), on=False)
    chat.say("address", lid)
    take_in(instance, [PersonKnown(Party(BOB, lid))])
    chat.say("address", BOB)
    chat.say("address", lid)
    assert [called for called, _ in found()] == ["3EB002", "3EB003", "3EB004"]
    assert [one.people for one in Rule.objects.order_by("pk")] == [[BOB, "me"], [BOB]]


def test_the_limit_an_hour(owner: Owner, instance: Instance, by: By, chat: Chat, clock: Clock) -> None:
    rule(instance, by, words="address", an_hour=2)
    for _ in range(3):
        chat.say("address")
    assert [state for _, state in found()] == ["waiting", "waiting", "skipped"]
    assert RuleHit.objects.latest("pk").detail == notice.LIMIT
    runner.run_instance(instance.pk)
    clock.later(3599)
    chat.say("address")
    assert found()[-1][1] == "skipped"
    clock.later(2)
    chat.say("address")
    assert found()[-1][1] == "waiting"


def test_off_is_off(owner: Owner, instance: Instance, by: By, chat: Chat) -> None:
    made = rule(instance, by, words="address")
    chat.say("address")
    for _ in range(2):
        manage.switch(made, False, by)
    chat.say("address")
    runner.run_instance(instance.pk)
    assert (found(), owner.orders) == ([("3EB001", "skipped")], [])
    assert RuleHit.objects.get().detail == runner.OFF


def test_a_rule_is_made_switched_off(instance: Instance, by: By, chat: Chat) -> None:
    rule(instance, by, on=False, words="address")
    chat.say("address")
    assert found() == []


def test_it_waits_and_is_too_late(owner: Owner, instance: Instance, by: By, chat: Chat, clock: Clock) -> None:
    rule(instance, by, words="address")
    chat.say("address")
    Instance.objects.update(state=Connection.DISCONNECTED)
    runner.run_instance(instance.pk)
    assert found() == [("3EB001", "waiting")]
    clock.later(3601)
    runner.run_instance(instance.pk)
    assert (found(), RuleHit.objects.get().detail, owner.orders) == ([("3EB001", "skipped")], LATE, [])


def test_a_refusal_is_kept(owner: Owner, instance: Instance, by: By, chat: Chat) -> None:
    rule(instance, by, words="address")
    chat.say("address")
    owner.error = AdminsOnly()
    runner.run_instance(instance.pk)
    hit = RuleHit.objects.get()
    assert (hit.state, "Only admins" in hit.detail) == ("failed", True)


def test_what_is_on_goes_on_without_the_token(owner: Owner, instance: Instance, by: By, chat: Chat) -> None:
    """A rule is the instance's, and whoever may pin there can switch it off."""
    rule(instance, by, words="address")
    Token.objects.all().delete()
    chat.say("address")
    runner.run_instance(instance.pk)
    assert len(owner.orders) == 1


def test_a_message_with_a_pin_that_is_gone_is_reported(instance: Instance, by: By, chat: Chat) -> None:
    rule(instance, by, words="address")
    chat.say("address")
    Message.objects.all().delete()
    runner.run_instance(instance.pk)
    assert found() == [("3EB001", "failed")]


def test_the_preview(instance: Instance, by: By, chat: Chat, clock: Clock) -> None:
    for minute in range(4):
        chat.say(f"address {minute}", live=False)
        clock.later(60)
    clock.later(3600)
    message = chat.say("my address", ANA)
    chat.react(message, "📌", BOB)
    seen = preview(rule(instance, by, on=False, words="address"))
    assert (seen.found, seen.looked_at, seen.busiest_hour) == (5, 6, 4)
    assert seen.messages[0].text == "my address"
    seen = preview(rule(instance, by, on=False, trigger="reaction", words="📌", people=(BOB,)))
    assert [one.text for one in seen.messages] == ["my address"]
    clock.later(31 * 86_400)
    assert preview(rule(instance, by, on=False, words="address")).found == 0
    assert found() == []


@pytest.mark.parametrize(
    ("wanted", "fault", "words"),
    [
        ({"name": " "}, Fault.NAME, "name is required"),
        ({"name": "n" * 61}, Fault.NAME, "name may have 60 characters"),
        ({"trigger": "magic"}, Fault.TRIGGER, "trigger must be one of message, hashtag, reaction"),
        ({}, Fault.NO_WORDS, "a message needs words or people"),
        ({"words": "!?"}, Fault.NO_WORDS, "letter or a digit"),
        ({"trigger": "hashtag", "words": "two words"}, Fault.HASHTAG, "one hashtag"),
        ({"trigger": "hashtag"}, Fault.HASHTAG, "one hashtag"),
        ({"trigger": "reaction", "words": "📌"}, Fault.NOBODY, "a reaction needs people"),
        ({"trigger": "reaction", "people": ("me",)}, Fault.EMOJI, "one emoji"),
        ({"trigger": "reaction", "words": "pin", "people": ("me",)}, Fault.EMOJI, "one emoji"),
        ({"words": "x", "people": ("Bob",)}, Fault.UNKNOWN_PEOPLE, "people must be a phone number"),
        ({"people": MANY}, Fault.MANY_PEOPLE, "people may be 50"),
        ({"words": "x" * 101}, Fault.LONG_WORDS, "words may have 100 characters"),
        ({"words": "x", "chat": "here"}, Fault.CHAT, "chat must be a phone number"),
        ({"words": "x", "chat": "5511000000000"}, Fault.CHAT, "chat must be one of which something is stored"),
        ({"words": "x", "an_hour": 0}, Fault.AN_HOUR, "anHour must be"),
    ],
)
def test_what_cannot_be_is_refused(
    instance: Instance, by: By, wanted: dict[str, Any], fault: Fault, words: str
) -> None:
    with pytest.raises(InvalidRule, match=words) as refused:
        rule(instance, by, **wanted)
    assert refused.value.fault == fault


def test_no_more_than_there_may_be(instance: Instance, by: By, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manage, "MOST", 1)
    rule(instance, by, words="x")
    with pytest.raises(InvalidRule, match="an instance may have 1 rules: delete one first") as refused:
        rule(instance, by, words="y")
    assert refused.value.fault == Fault.TOO_MANY


# --- Words, for any text ---------------------------------------------------------------------


@given(st.text(), st.text(), st.text())
def test_words_are_found_where_they_stand_alone(before: str, words: str, after: str) -> None:
    assert spaced(words) in spaced(f"{before} {words} {after}") or not spaced(words).strip()
    assert spaced(words) == spaced(words.upper()) or not words.isascii()


@given(st.lists(st.from_regex(r"[a-z0-9_]{1,10}", fullmatch=True)))
def test_every_hashtag_is_found(tags: list[str]) -> None:
    assert set(hashtags(" ".join(f"#{tag.upper()}," for tag in tags))) == set(tags)


@given(st.text())
def test_any_text_has_some_or_no_hashtags(text: str) -> None:
    assert all(tag and " " not in tag and "#" not in tag for tag in hashtags(text))


def test_skins_and_variations_of_an_emoji() -> None:
    assert emoji("👍🏽") == emoji("👍") == emoji(" 👍\ufe0f ")
