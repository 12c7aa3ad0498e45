"""Making, switching and deleting rules: for REST and pages alike."""

from dataclasses import dataclass
from enum import Enum, auto
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from chats import news
from chats.errands.batch import By
from chats.errors import RequestError
from chats.events import of_rule
from chats.faults import Faulty
from chats.models import Chat, Contact, Rule
from chats.numbers import InvalidNumber, find_chat, jid_of
from chats.rules.match import ME, emoji, hashtags, spaced
from instances.models import Instance

Trigger = Rule.Trigger
MOST = 30
MOST_PEOPLE = 50
MOST_AN_HOUR = 100


class Fault(Enum):
    """What is wrong with a rule."""

    NAME = auto()
    TRIGGER = auto()
    LONG_WORDS = auto()
    NO_WORDS = auto()
    HASHTAG = auto()
    EMOJI = auto()
    NOBODY = auto()
    UNKNOWN_PEOPLE = auto()
    MANY_PEOPLE = auto()
    AN_HOUR = auto()
    CHAT = auto()
    TOO_MANY = auto()


class InvalidRule(Faulty):
    """A rule that cannot be."""


class RuleNotFound(RequestError):
    """No rule of this instance has the id."""

    def __init__(self) -> None:
        super().__init__("Rule not found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A rule as it was put."""

    name: str
    trigger: str
    words: str = ""
    # Phone numbers or JIDs, or "me".
    people: tuple[str, ...] = ()
    # A phone number or a JID; empty: every chat.
    chat: str = ""
    duration: int
    an_hour: int = 10


def draft(instance: Instance, wanted: Wanted, by: By) -> Rule:
    """The rule, checked and not saved: to be tried, or to be made. Raises InvalidRule."""
    name, words, trigger = wanted.name.strip(), wanted.words.strip(), wanted.trigger
    people = [_person(instance, one) for one in dict.fromkeys(wanted.people) if one.strip()]
    tag = words.removeprefix("#")
    hashtag, reaction = trigger == Trigger.HASHTAG, trigger == Trigger.REACTION
    message = trigger == Trigger.MESSAGE
    no_emoji = not emoji(words) or len(words) > 16 or any(map(str.isalnum, words))
    for refused, fault, why in (
        (not name, Fault.NAME, "name is required"),
        (len(name) > 60, Fault.NAME, "name may have 60 characters"),
        (trigger not in Trigger.values, Fault.TRIGGER, f"trigger must be one of {', '.join(Trigger.values)}"),
        (len(words) > 100, Fault.LONG_WORDS, "words may have 100 characters"),
        (message and words and not spaced(words).strip(), Fault.NO_WORDS, "words must hold a letter or a digit"),
        (
            message and not words and not people,
            Fault.NO_WORDS,
            "a message needs words or people, or all would be pinned",
        ),
        (hashtag and list(hashtags(f"#{tag}")) != [spaced(tag).strip()], Fault.HASHTAG, "words must be one hashtag"),
        (reaction and no_emoji, Fault.EMOJI, "words must be one emoji"),
        (reaction and not people, Fault.NOBODY, "a reaction needs people: who may pin by it"),
        (len(people) > MOST_PEOPLE, Fault.MANY_PEOPLE, f"people may be {MOST_PEOPLE}"),
        (
            not 1 <= wanted.an_hour <= MOST_AN_HOUR,
            Fault.AN_HOUR,
            f"anHour must be a whole number from 1 to {MOST_AN_HOUR}",
        ),
    ):
        if refused:
            raise InvalidRule(fault, why)
    return Rule(
        instance=instance,
        name=name,
        trigger=trigger,
        words=tag if trigger == Trigger.HASHTAG else words,
        people=[] if trigger == Trigger.HASHTAG else people,
        chat=_chat(instance, wanted.chat),
        duration=wanted.duration,
        an_hour=wanted.an_hour,
        actor=by.words[:200],
        token=by.token,
    )


def add(instance: Instance, wanted: Wanted, by: By) -> Rule:
    """Write a rule down, switched off. Raises InvalidRule."""
    rule = draft(instance, wanted, by)
    with transaction.atomic():
        list(Instance.objects.select_for_update().filter(pk=instance.pk).values_list("pk"))
        if Rule.objects.filter(instance=instance).count() >= MOST:
            words = f"an instance may have {MOST} rules: delete one first"
            raise InvalidRule(Fault.TOO_MANY, words, for_now=True)
        rule.save()
        _note(rule, "added", by)
    return rule


@transaction.atomic
def switch(rule: Rule, active: bool, by: By) -> None:
    """Switch it on, for what comes from now on, or off. Again: nothing happens."""
    # WhatsApp's times are whole seconds.
    since = timezone.now().replace(microsecond=0) if active else None
    if Rule.objects.filter(pk=rule.pk, active=not active).update(active=active, since=since):
        rule.active, rule.since = active, since
        _note(rule, "switched on" if active else "switched off", by)


@transaction.atomic
def delete(rule: Rule, by: By) -> None:
    """Delete it with the list of what it found; the pins stay."""
    _note(rule, "deleted", by)
    rule.delete()


def find(instance: Instance, uid: UUID) -> Rule:
    """A rule of this instance. Raises RuleNotFound."""
    rule = Rule.objects.select_related("chat", "instance__account").filter(instance=instance, uid=uid).first()
    if rule is None:
        raise RuleNotFound
    return rule


def _note(rule: Rule, change: str, by: By) -> None:
    """Write the audit's line and the event, in the transaction of what they tell of."""
    detail = f"{rule.trigger} {rule.words}, {rule.an_hour} an hour".replace(" ,", ",")
    by.record(f"rule {change}", f"{rule.instance.name}: {rule.name}", rule.instance.account, detail)
    news.rules_changed([of_rule(rule, change.replace(" ", "_"), by.words)])


def _person(instance: Instance, text: str) -> str:
    if text.strip() == ME:
        return ME
    try:
        jid = jid_of(text)
    except InvalidNumber as error:
        raise InvalidRule(Fault.UNKNOWN_PEOPLE, str(error).replace("number", "people", 1)) from None
    # Messages stand under the phone number where it is known.
    known = Contact.objects.filter(instance=instance, lid=jid).values_list("jid", flat=True).first()
    own = {instance.jid, instance.lid} - {""}
    return ME if jid in own else known or jid


def _chat(instance: Instance, text: str) -> Chat | None:
    if not text.strip():
        return None
    try:
        chat = find_chat(instance, jid_of(text))
    except InvalidNumber as error:
        raise InvalidRule(Fault.CHAT, str(error).replace("number", "chat", 1)) from None
    if chat is None:
        raise InvalidRule(Fault.CHAT, "chat must be one of which something is stored", for_now=True)
    return chat
