"""The past of the demonstration: thousands of events, as the connector would have brought them."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from instances.whatsapp.events import GroupChanged, MessageArrived, Party, Target
from tests.demo import files, talk

Event = MessageArrived | GroupChanged


@dataclass(frozen=True, slots=True)
class Who:
    """A person with both of their names."""

    name: str
    jid: str
    lid: str

    @property
    def party(self) -> Party:
        """For an event."""
        return Party(self.jid, self.lid)


class Past:
    """Writes one instance's past, the same one each time. `put` makes its files ones that can be fetched."""

    def __init__(self, me: Who, now: datetime, put: files.Put, seed: int = 7) -> None:
        self.me, self.now, self.put = me, now, put
        self.dice = random.Random(seed)
        self._number = 0

    def new_id(self) -> str:
        """A message id in WhatsApp's form."""
        self._number += 1
        return f"3EB0{self.dice.getrandbits(64):016X}"

    def said(
        self, chat: str, who: Who, at: datetime, text: str = "", kind: str = "text", **more: Any
    ) -> MessageArrived:
        """One message."""
        group = chat.endswith("@g.us")
        other = Party(chat) if group else Party(chat, more.pop("alt", ""))
        return MessageArrived(
            message_id=more.pop("message_id", None) or self.new_id(),
            chat=other,
            sender=who.party,
            is_group=group,
            from_me=who == self.me,
            sent_at=at,
            kind=kind,
            text=text,
            push_name=who.name,
            status=3 if who == self.me else None,
            **more,
        )

    def chat(self, other: Who, count: int, end: datetime, days: int) -> Iterator[Event]:
        """A customer's chat: `count` messages, the last one at `end`."""
        for at, first in self._times(count, end, days):
            from_customer = first or self.dice.random() < 0.55
            who = other if from_customer else self.me
            yield from self._something(other.jid, who, at, talk.CUSTOMER if from_customer else talk.SHOP, alt=other.lid)

    def group(self, jid: str, members: list[Who], count: int, end: datetime, days: int) -> Iterator[Event]:
        """A team's group."""
        for at, _ in self._times(count, end, days):
            yield from self._something(jid, self.dice.choice([self.me, *members]), at, talk.TEAM)

    def _times(self, count: int, end: datetime, days: int) -> list[tuple[datetime, bool]]:
        """When, in working hours, in bursts; with whether a burst begins."""
        times: list[tuple[datetime, bool]] = []
        while len(times) < count:
            day = end - timedelta(days=self.dice.uniform(0, days))
            at = day.replace(hour=self.dice.randint(8, 19), minute=self.dice.randint(0, 59))
            for number in range(min(self.dice.randint(1, 9), count - len(times))):
                times.append((min(at, end), number == 0))
                at += timedelta(seconds=self.dice.randint(20, 400))
        return sorted(times)

    def _something(self, chat: str, who: Who, at: datetime, lines: list[str], **more: Any) -> Iterator[Event]:
        luck = self.dice.random()
        if luck < 0.86:
            message = self.said(chat, who, at, talk.line(self.dice, lines), **more)
        else:
            message = self._media(chat, who, at, **more)
        yield message
        if luck < 0.03 and chat.endswith("@g.us"):
            target = Target(message.message_id, by_same_author=False)
            yield self.said(
                chat,
                self.me,
                at + timedelta(seconds=30),
                self.dice.choice(["👍", "❤️", "🙏", "😂"]),
                "reaction",
                target=target,
            )

    def _media(self, chat: str, who: Who, at: datetime, **more: Any) -> MessageArrived:
        dice = self.dice
        kind: str = dice.choice(["image", "voice", "document", "video", "sticker", "location"])
        if kind == "location":
            where = {"latitude": -23.5535, "longitude": -46.6563}
            return self.said(chat, who, at, "Casa Lume, Rua Augusta 500", kind, data=where, **more)
        name = f"invoice-{talk.order(dice)}.pdf"
        makers: dict[str, Callable[[], files.File]] = {
            "image": lambda: files.room(dice.choice(["#d9cdb8", "#b9c9c4", "#d8b9a6"])),
            "voice": lambda: files.voice(dice.choice([4, 9, 21])),
            "document": lambda: files.document("Invoice"),
            "video": files.film,
            "sticker": files.sticker,
        }
        text = {"image": dice.choice(["", "", "This one", "Como ficou"]), "document": name}.get(kind, "")
        data = self.put(makers[kind]()) | ({"fileName": name} if kind == "document" else {})
        return self.said(chat, who, at, text, kind, data=data, **more)


def conversation(past: Past, ana: Who, start: datetime) -> list[Event]:
    """The chat one looks at first: a bit of everything, as it might have happened this morning."""
    minutes = iter(range(0, 600, 2))

    def at() -> datetime:
        return start + timedelta(minutes=next(minutes))

    me, jid, lid = past.me, ana.jid, ana.lid
    ask = past.said(jid, ana, at(), "Good morning! We have chosen: the oak table, 180 cm, and six chairs.", alt=lid)
    offer = past.said(
        jid, me, at(), "Lovely choice. Delivery is on Friday the 27th between 9:00 and 12:00, order CL-4821. "
        "Gate code and a phone number for the driver, please?", alt=lid,
    )  # fmt: skip
    code = past.said(jid, ana, at(), "Gate code 4471, and the driver can call me on this number.", alt=lid,
                     quoted_id=offer.message_id)  # fmt: skip
    wrong = past.said(jid, me, at(), "The total is 2,940.00, assembly included.", alt=lid)
    gone = past.said(jid, ana, at(), "wait", alt=lid)
    return [
        ask, offer, code, wrong,
        past.said(jid, me, at(), "The total is 2,490.00, assembly included.", "edit", alt=lid,
                  target=Target(wrong.message_id, by_same_author=True)),
        gone,
        past.said(jid, ana, at(), "", "delete", alt=lid, target=Target(gone.message_id, by_same_author=True)),
        past.said(jid, ana, at(), "Our dining room", "image", alt=lid, data=past.put(files.room())),
        past.said(jid, me, at(), "offer-CL-4821.pdf", "document", alt=lid,
                  data=past.put(files.document("Offer CL-4821")) | {"fileName": "offer-CL-4821.pdf"}),
        past.said(jid, ana, at(), "", "voice", alt=lid, data=past.put(files.voice(14))),
        past.said(jid, ana, at(), "Which oil do you recommend for the table? I found https://example.com/oils",
                  alt=lid),
        past.said(jid, me, at(), "A hard wax oil, twice a year. We put a bottle in the box for you 🙂", alt=lid),
        past.said(jid, ana, at(), "❤️", "reaction", alt=lid, target=Target(offer.message_id, by_same_author=False)),
        past.said(jid, ana, at(), "Wonderful, thank you! See you on Friday.", alt=lid),
    ]  # fmt: skip


def group_talk(past: Past, jid: str, members: list[Who], start: datetime) -> list[Event]:
    """The team's group of today, with a poll and a notice."""
    first, second = members[0], members[1]
    when = [start + timedelta(minutes=3 * number) for number in range(12)]
    plan = past.said(jid, first, when[1], "Friday's tour: CL-4821 first (gate code 4471), then CL-4790 and CL-4803.")
    poll = past.said(
        jid, second, when[4], "Stock count: which morning?\nThursday\nFriday\nMonday", "poll",
        data={"options": ["Thursday", "Friday", "Monday"]},
    )  # fmt: skip
    return [
        GroupChanged(jid, when[0], text=f"{first.name} changed who may edit the group's settings", actor=first.party),
        plan,
        past.said(
            jid, past.me, when[2], "Thank you! I pin it so that nobody has to scroll.", quoted_id=plan.message_id
        ),
        past.said(jid, second, when[3], "👍", "reaction", target=Target(plan.message_id, by_same_author=False)),
        poll,
        past.said(jid, first, when[5], "", "poll_vote", target=Target(poll.message_id, by_same_author=False)),
        past.said(jid, first, when[6], "", "sticker", data=past.put(files.sticker())),
        past.said(jid, second, when[7], "Truck 2 is washed and fuelled."),
    ]
