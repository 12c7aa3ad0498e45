"""What a filter or a term stands for: marks of chats, people and types, phrases, the ids of messages."""

import re
from collections.abc import Collection

from chats.models import Message
from chats.search import people
from chats.search.documents import MINE, chat_mark, kind_mark, sender_mark
from chats.search.keys import key_of
from chats.search.plan import Phrase, phrase_of
from chats.search.query import Term
from chats.search.tokens import fold

MEDIA = ("image", "video", "audio", "voice", "document", "sticker")
# The phones' ids have 16 characters and more, digits among them.
_ID = re.compile(r"(?=.*[0-9])[A-Za-z0-9._:=/+-]{12,128}")


def marks_of_filter(scope: frozenset[int], name: str, values: list[str]) -> frozenset[str] | None:
    """The marks a filter stands for; None for one that is no matter of marks."""
    marks: set[str] = set()
    for value in values:
        if name == "in":
            marks.update(map(chat_mark, people.chats(scope, value)))
        elif name == "from" and fold(value) == "me":
            marks.add(MINE)
        elif name == "from":
            marks.update(map(sender_mark, people.senders(scope, value)))
        elif name == "type":
            marks.add(kind_mark(value))
        elif name == "has":
            marks.update(map(kind_mark, MEDIA))
        elif (name, value) == ("is", "mine"):
            marks.add(MINE)
        else:
            return None
    return frozenset(marks)


def phrases(marks: Collection[str]) -> tuple[Phrase, ...]:
    """Any one of these marks, as an index is asked for it."""
    return tuple(Phrase((mark,)) for mark in sorted(marks))


def meanings(scope: frozenset[int], term: Term) -> tuple[tuple[Phrase, ...], frozenset[str]]:
    """What the term may stand as in a text, and the marks of the people and chats whose number it may be."""
    phrase = phrase_of(term)
    if phrase is None:
        return (), frozenset()
    number = re.sub(r"[().+/\s-]", "", term.text)
    if term.phrase or not re.fullmatch(r"[0-9]{5,15}" if term.prefix else r"[0-9]{7,15}", number):
        return (phrase,), frozenset()
    spelled = {phrase: None, Phrase((number,), term.prefix): None}
    senders = map(sender_mark, people.numbers(scope, number))
    return tuple(spelled), frozenset((*senders, *map(chat_mark, people.chats_of_number(scope, number))))


def looks_like_id(term: Term) -> bool:
    """Whether a term may be a message's id."""
    return not term.prefix and _ID.fullmatch(term.text) is not None


def keys_named(scope: Collection[int], text: str) -> frozenset[int]:
    """Of messages whose id this is; the phones write ids in capitals."""
    rows = Message.objects.filter(instance__in=scope, message_id__in={text, text.upper()}, deleted_at=None)
    rows = rows.exclude(kind__in=Message.ACTIONS).order_by("-sent_at", "-pk")
    return frozenset(key_of(at, pk) for at, pk in rows.values_list("sent_at", "pk")[:100])
