"""Who is meant by a name, a number or a JID: chats, senders and instances, within the scope.

All of them, however many: `from:ana` means Ana, Mariana and Juliana. A name is
found without regard to case and accents, as words are.
"""

import re
from collections.abc import Collection, Iterator
from functools import reduce
from operator import and_
from typing import Any

from django.db.models import BooleanField, Func, Q, QuerySet
from django.utils import timezone

from chats.models import Chat, Contact, Pin
from chats.numbers import is_jid
from chats.search.keys import key_of
from chats.search.tokens import fold
from instances.models import Instance


def instances(scope: Collection[int], wanted: list[str], unwanted: list[str]) -> frozenset[int]:
    """What is left of the scope by instance:name and -instance:name."""
    allowed = frozenset(scope)
    if not wanted and not unwanted:
        return allowed
    names = dict(Instance.objects.filter(pk__in=allowed).values_list("pk", "name"))
    wanted_names, unwanted_names = set(map(_plain, wanted)), set(map(_plain, unwanted))
    return frozenset(
        pk
        for pk, name in names.items()
        if (not wanted or _plain(name) in wanted_names) and _plain(name) not in unwanted_names
    )


def chats(scope: Collection[int], text: str) -> set[int]:
    """Chats by JID, number or a part of their name."""
    mine = Chat.objects.filter(instance__in=scope)
    if "@" in text and (exact := set(mine.filter(Q(jid=text) | Q(lid=text)).values_list("pk", flat=True))):
        return exact
    if (number := _number(text)) and (numbered := chats_of_number(scope, number)):
        return numbered
    return set(_called(mine, "pk", "name", text))


def senders(scope: Collection[int], text: str) -> set[str]:
    """People's JIDs by JID, number or a part of a name: the one they gave themselves, or the phone's for them."""
    mine = Contact.objects.filter(instance__in=scope)
    if "@" in text:
        exact = set(mine.filter(Q(jid=text) | Q(lid=text)).values_list("jid", flat=True))
        # Many call themselves by a handle: "@ana.silva" is a name.
        if exact or is_jid(text):
            return exact or {text}
    if (number := _number(text)) and (numbered := numbers(scope, number)):
        return numbered
    return {*_called(mine, "jid", "push_name", text), *_called(mine, "jid", "name", text)}


def numbers(scope: Collection[int], number: str) -> set[str]:
    """People whose phone number begins with, else contains, these digits; our own number included."""
    mine = Contact.objects.filter(instance__in=scope)
    own = Instance.objects.filter(pk__in=scope, jid__startswith=number).values_list("jid", flat=True)
    for match in _number_matches(number):
        if found := set(mine.filter(match).values_list("jid", flat=True)):
            return found | set(own)
    return set(own)


def chats_of_number(scope: Collection[int], number: str) -> set[int]:
    """Chats whose phone number begins with, else contains, these digits."""
    mine = Chat.objects.filter(instance__in=scope)
    for match in _number_matches(number):
        if found := set(mine.filter(match).values_list("pk", flat=True)):
            return found
    return set()


def pinned_keys(scope: Collection[int]) -> frozenset[int]:
    """The keys of what is pinned at this moment."""
    pins = Pin.objects.filter(state=Pin.State.PINNED, message__instance__in=scope, message__deleted_at=None)
    pins = pins.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))
    return frozenset(key_of(at, pk) for at, pk in pins.values_list("message__sent_at", "message_id"))


class _BeyondAscii(Func):
    """Whether a text has characters beyond ASCII: only these have accents, and a case that not every database knows."""

    output_field = BooleanField()

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        return self.as_sql(compiler, connection, template="(%(expressions)s GLOB '*[^ -~]*')", **more)

    def as_postgresql(self, compiler: Any, connection: Any, **more: Any) -> Any:
        template = "(octet_length(%(expressions)s) > char_length(%(expressions)s))"
        return self.as_sql(compiler, connection, template=template, **more)


def _called(rows: QuerySet[Any], who: str, column: str, text: str) -> Iterator[Any]:
    """`who` of each of the rows in whose name the text stands. The database leaves out most, `fold` decides."""
    wanted = _plain(text)
    if not wanted:
        return
    perhaps = Q(_BeyondAscii(column))
    if wanted.isascii():
        # Word by word: what stands between them in the name may be more than one blank.
        perhaps |= reduce(and_, (Q(**{f"{column}__icontains": word}) for word in wanted.split()))
    for found, name in rows.filter(perhaps).values_list(who, column):
        if wanted in _plain(name):
            yield found


def _plain(name: str) -> str:
    """Folded, and with one blank where there are several: a query cannot say how many."""
    return " ".join(fold(name).split())


def _number_matches(number: str) -> tuple[Q, Q]:
    # A range of names is read from the index; LIKE looks at every one. Where it ends, it ends by any language's rules
    # (PostgreSQL sorts by those of its database): letters come after digits, signs may come before them.
    return Q(jid__gte=number, jid__lt=number + "z", jid__startswith=number), Q(jid__contains=number)


def _number(text: str) -> str:
    digits = re.sub(r"[().+/\s-]", "", text)
    return digits if re.fullmatch(r"[0-9]{5,20}", digits) else ""
