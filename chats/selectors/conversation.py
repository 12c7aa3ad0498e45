"""A stretch of a chat, message by message, with all that belongs to each."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from chats.meant import by_name, the_first
from chats.models import Chat, Message
from chats.selectors import pins
from chats.selectors.places import Place

PAGE = 24
# Messages of one person within this time stand together under one name.
TOGETHER = timedelta(minutes=5)
APART = (Message.Kind.SYSTEM,)


@dataclass(slots=True)
class Row:
    """One message as the page shows it."""

    message: Message
    # A new day begins here.
    day: date | None = None
    continued: bool = False
    quoted: Message | None = None
    # (emoji, how many, who)
    reactions: list[tuple[str, int, str]] = field(default_factory=list)
    voters: int = 0
    pin: pins.PinView = pins.NO_PIN

    @property
    def place(self) -> Place:
        """Where to go on from."""
        return Place(self.message.sent_at, self.message.pk)


@dataclass(slots=True)
class Stretch:
    """Rows from old to new; `older` and `newer` say where the chat goes on, if it does.

    `rows_of` leaves the rows' pins to `with_pins`, which fetches those of the
    bar above the chat by the way.
    """

    rows: list[Row]
    older: Place | None = None
    newer: Place | None = None


def shown(chat: Chat) -> QuerySet[Message]:
    """The messages that stand in the chat; what acts on another stands with that one."""
    return Message.objects.filter(chat=chat).exclude(kind__in=Message.ACTIONS)


def latest(chat: Chat, limit: int = PAGE) -> Stretch:
    """The end of the chat."""
    return older_than(chat, None, limit)


def older_than(chat: Chat, place: Place | None, limit: int = PAGE) -> Stretch:
    """What comes right before `place`."""
    found = shown(chat) if place is None else shown(chat).filter(place.older())
    messages = list(found.order_by("-sent_at", "-pk")[: limit + 1])
    more = len(messages) > limit
    rows = rows_of(chat, messages[:limit][::-1])
    return Stretch(rows, older=rows[0].place if more else None)


def newer_than(chat: Chat, place: Place, limit: int = PAGE) -> Stretch:
    """What comes right after `place`."""
    messages = list(shown(chat).filter(place.newer()).order_by("sent_at", "pk")[: limit + 1])
    more = len(messages) > limit
    rows = rows_of(chat, messages[:limit], after=place)
    return Stretch(rows, newer=rows[-1].place if more else None)


def around(chat: Chat, place: Place, limit: int = PAGE) -> Stretch:
    """The chat with the message at `place` in the middle."""
    half = limit // 2
    before = list(shown(chat).filter(place.up_to()).order_by("-sent_at", "-pk")[: half + 1])
    after = list(shown(chat).filter(place.newer()).order_by("sent_at", "pk")[: half + 1])
    rows = rows_of(chat, [*before[:half][::-1], *after[:half]])
    return Stretch(
        rows,
        older=rows[0].place if len(before) > half else None,
        newer=rows[-1].place if len(after) > half else None,
    )


def rows_of(chat: Chat, messages: list[Message], after: Place | None = None) -> list[Row]:
    """Dress messages (of one chat, from old to new) with what belongs to them."""
    rows = [Row(message) for message in messages]
    _divide(rows, after)
    _add_quoted(chat, rows)
    _add_actions(chat, rows)
    for row in rows:
        row.message.chat = chat
    return rows


def with_pins(chat: Chat, stretch: Stretch) -> list[tuple[Message, pins.PinView]]:
    """Add the rows' pins. Returns what is pinned in the chat now, the newest first, for the bar above it."""
    found = pins.of_chat(chat.pk, [row.message.pk for row in stretch.rows])
    views = {pin.message_id: pins.view_of(pin) for pin in found}
    for row in stretch.rows:
        row.pin = views.get(row.message.pk, pins.NO_PIN)
    return [(pin.message, views[pin.message_id]) for pin in found if views[pin.message_id].pinned]


def targets_of(chat: Chat, keys: Iterable[int]) -> list[Message]:
    """The messages of this chat that news about `keys` touch: themselves, or what they act on."""
    told = list(Message.objects.filter(chat=chat, pk__in=list(keys)))
    direct = [message.pk for message in told if message.kind not in Message.ACTIONS]
    targets = {message.target_id for message in told if message.kind in Message.ACTIONS}
    found = shown(chat).filter(pk__in=direct)
    if targets:
        found = found | shown(chat).filter(instance=chat.instance_id, message_id__in=targets)
    return list(found.order_by("sent_at", "pk"))


def _divide(rows: list[Row], after: Place | None) -> None:
    last_day = timezone.localdate(after.at) if after else None
    last: Message | None = None
    for row in rows:
        day = timezone.localdate(row.message.sent_at)
        if day != last_day:
            row.day, last_day = day, day
        elif last is not None and row.message.kind not in APART and last.kind not in APART:
            row.continued = last.sender == row.message.sender and row.message.sent_at - last.sent_at < TOGETHER
        last = row.message


def _add_quoted(chat: Chat, rows: list[Row]) -> None:
    wanted = {row.message.quoted_id for row in rows} - {""}
    if not wanted:
        return
    found = by_name(shown(chat).filter(instance=chat.instance_id, message_id__in=wanted))
    for row in rows:
        # Who wrote it is not stored.
        row.quoted = the_first(found[(chat.pk, row.message.quoted_id)])


def _add_actions(chat: Chat, rows: list[Row]) -> None:
    targets = {row.message.message_id for row in rows}
    if not targets:
        return
    actions = Message.objects.filter(
        instance=chat.instance_id,
        chat=chat,
        target_id__in=targets,
        kind__in=(Message.Kind.REACTION, Message.Kind.POLL_VOTE),
    ).order_by("sent_at", "pk")
    # The last word of each person counts; an empty one takes a reaction back.
    reactions: dict[str, dict[str, Any]] = defaultdict(dict)
    voters: dict[str, set[str]] = defaultdict(set)
    for action in actions:
        if action.kind == Message.Kind.POLL_VOTE:
            voters[action.target_id].add(action.sender)
        else:
            reactions[action.target_id][action.sender] = action
    for row in rows:
        row.voters = len(voters.get(row.message.message_id, ()))
        given = [one for one in reactions.get(row.message.message_id, {}).values() if one.text]
        counted = Counter(one.text for one in given)
        row.reactions = [
            (
                emoji,
                count,
                ", ".join(one.sender_name or one.sender.partition("@")[0] for one in given if one.text == emoji),
            )
            for emoji, count in counted.most_common()
        ]
