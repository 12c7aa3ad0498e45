"""One person one row, one chat one row, whichever of their two names a message comes under.

WhatsApp is moving from phone numbers (`…@s.whatsapp.net`) to LIDs (`…@lid`).
A message names its sender by either, often with the other one beside it. We
keep the phone number as the name wherever it is known. When it becomes known
only later, what was filed under the LID is moved: `_learn` does that.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from django.db.models import BigIntegerField, Exists, OuterRef, Q

from chats import pinbook, twins
from chats.models import Chat, Contact, Message, Rule
from instances.models import Instance
from instances.whatsapp.events import Party
from portal.prepared import IsOneOf, Prepared, Texts

LID = "@lid"

# SQLite takes 32,766 parameters a statement, and each name is two.
MOST_NAMES = 5_000

# No index has the senders: all of the instance's messages are read, so it is asked once for many.
_FILED_UNDER = Prepared(
    lambda instance, names: (
        Message.objects.filter(IsOneOf("sender", names), instance=instance).order_by().values_list("sender").distinct()
    ),
    instance=BigIntegerField(),
    names=Texts(),
)

_KINDS = {
    "s.whatsapp.net": Chat.Kind.DIRECT,
    "lid": Chat.Kind.DIRECT,
    "g.us": Chat.Kind.GROUP,
    "newsletter": Chat.Kind.NEWSLETTER,
    "broadcast": Chat.Kind.BROADCAST,
}


def kind_of(jid: str) -> Chat.Kind:
    """What sort of chat a JID names."""
    if jid == "status@broadcast":
        return Chat.Kind.STATUS
    return _KINDS.get(jid.rpartition("@")[2], Chat.Kind.DIRECT)


@dataclass(slots=True)
class Directory:
    """The people and chats of one instance, with a memory for the length of a batch.

    The memory is only good while one transaction lasts: throw the directory
    away when that is rolled back.
    """

    instance: Instance
    # Whether it happens now. What history tells of is older than what is known, and comes newest first.
    live: bool = True
    _contacts: dict[str, Contact] = field(default_factory=dict)
    _chats: dict[str, Chat] = field(default_factory=dict)
    # What is stored of those a batch is about, under each of their names.
    _foreseen: dict[str, Chat] = field(default_factory=dict)
    # Groups seen for the first time: their names must be asked for.
    new_groups: list[Chat] = field(default_factory=list)
    # People of whom something may be stored, and who had no name until now.
    named: set[str] = field(default_factory=set)
    # What was done by one name to messages that came by the other, and could not be then: edits, deletions, pins.
    within_reach: set[int] = field(default_factory=set)
    # Rows are being made: names stay as they are. A LID may come with two numbers in one batch (who has a new one, or
    # lies), and to learn the other again would take away a chat that a row just made is in.
    settled: bool = False
    _made: set[int] = field(default_factory=set)
    # LIDs that come with a phone number, and may turn out to be news; and by LID, whether messages are filed under it.
    _paired: set[str] = field(default_factory=set)
    _filed: dict[str, bool] = field(default_factory=dict)
    # What rules there are; None while nobody has asked.
    _rules: list[Rule] | None = None

    def foresee(self, parties: Iterable[Party], people: Iterable[Party] = ()) -> None:
        """Read at once what is known of those a batch is about; without it, each is asked for when met.

        `people`: those it tells both names of, besides.
        """
        parties = list(parties)
        self._paired.update(lid for phone, lid in map(_names, (*parties, *people)) if phone and lid)
        for known in self._known(parties):
            for chat in Chat.objects.filter(known, instance=self.instance):
                self._foreseen.update(dict.fromkeys(filter(None, (chat.jid, chat.lid)), chat))

    def _known(self, parties: Iterable[Party]) -> Iterator[Q]:
        """Read the contacts among them; yields what finds them, some at a time."""
        names = sorted({name for party in parties for name in (party.jid, party.alt) if name})
        for start in range(0, len(names), MOST_NAMES):
            some = names[start : start + MOST_NAMES]
            known = Q(jid__in=some) | Q(lid__in=some)
            for contact in Contact.objects.filter(known, instance=self.instance):
                self._contacts.update(dict.fromkeys(filter(None, (contact.jid, contact.lid)), contact))
            yield known

    def people(self, parties: Sequence[Party]) -> None:
        """Learn both names of many people at once: a group may have 10,000."""
        for _ in self._known(parties):
            pass
        fresh: dict[str, Contact] = {}
        made, others = [], []
        for party in parties:
            phone, lid = _names(party)
            known = self._contacts.get(phone) or self._contacts.get(lid) or fresh.get(phone) or fresh.get(lid)
            if known is not None:
                if phone and lid and (known.jid, known.lid) != (phone, lid):
                    others.append(party)
            elif (phone or lid) and self.own_jid(party) is None and kind_of(party.jid) == Chat.Kind.DIRECT:
                contact = Contact(instance=self.instance, jid=phone or lid, lid=lid or None)
                made.append(contact)
                fresh.update(dict.fromkeys(filter(None, (phone, lid)), contact))
        Contact.objects.bulk_create(made, batch_size=1_000)
        self._contacts.update(fresh)
        # Those whose second name is news.
        for party in others:
            self.person(party)

    def person(self, party: Party, push_name: str = "", name: str = "") -> str:
        """The name to file a person under; learns their other name and what they are called on the way.

        `push_name`: as they call themselves; `name`: as the phone's address book does.
        """
        own = self.own_jid(party)
        if own is not None:
            return own
        if kind_of(party.jid) != Chat.Kind.DIRECT:
            return party.jid  # A group's own news have no person behind them.
        contact = self._contact(*_names(party))
        if not self.live and contact.push_name:
            push_name = ""
        if (push_name and contact.push_name != push_name) or (name and contact.name != name):
            self._call(contact, push_name, name)
        return contact.jid

    def ourselves(self, party: Party) -> str:
        """The name to file our own message under: that of the number linked when it came, not of one linked since."""
        if not party.jid or (not self.instance.lid and _names(party)[0] == ""):
            # It does not say, or by a LID of which we do not know yet that it is ours.
            return self.instance.jid or party.jid
        return self.person(party)

    def _call(self, contact: Contact, push_name: str, name: str) -> None:
        """Somebody has a name now, or another one, and the chat with them."""
        if not contact.called and contact.pk not in self._made:
            self.named.add(contact.jid)
        contact.push_name = push_name[:200] or contact.push_name
        contact.name = name[:200] or contact.name
        contact.save(update_fields=["push_name", "name"])
        Chat.objects.filter(instance=self.instance, jid=contact.jid).update(name=contact.called)
        for chat in (*self._chats.values(), *self._foreseen.values()):
            if chat.jid == contact.jid:
                chat.name = contact.called

    def chat(self, party: Party) -> Chat:
        """The chat's row, made if there is none."""
        chat = self._chats.get(party.jid)
        if chat is not None and (chat.lid or not party.alt):
            return chat
        chat = self._find_or_make_chat(party)
        self._chats[party.jid] = chat
        return chat

    def own_jid(self, party: Party) -> str | None:
        """Our own phone number when the party is ourselves, under either name."""
        own = {self.instance.jid, self.instance.lid} - {""}
        return (self.instance.jid or party.jid) if party.jid in own or party.alt in own else None

    def _find_or_make_chat(self, party: Party) -> Chat:
        kind = kind_of(party.jid)
        if kind != Chat.Kind.DIRECT:
            if party.jid in self._foreseen:
                return self._foreseen[party.jid]
            chat, made = Chat.objects.get_or_create(instance=self.instance, jid=party.jid, defaults={"kind": kind})
            if made and kind == Chat.Kind.GROUP:
                self.new_groups.append(chat)
            return chat
        own, name = self.own_jid(party), ""
        if own is not None:
            jid, lid = own, self.instance.lid or None
        else:
            contact = self._contact(*_names(party))
            jid, lid, name = contact.jid, contact.lid, contact.called
        foreseen = self._foreseen.get(jid)
        if foreseen is not None and (foreseen.jid, foreseen.lid) == (jid, lid):
            return _called(foreseen, name)
        wanted = Q(jid=jid) | (Q(lid=lid) if lid else Q())
        found = Chat.objects.filter(wanted, instance=self.instance).order_by("pk").first()
        if found is None:
            return Chat.objects.create(instance=self.instance, jid=jid, lid=lid, kind=kind, name=name)
        if (found.jid, found.lid) != (jid, lid):
            found.jid, found.lid = jid, lid
            found.save(update_fields=["jid", "lid"])
        return _called(found, name)

    def _contact(self, phone: str, lid: str) -> Contact:
        key = lid or phone
        known = self._contacts.get(key)
        if known is not None and (not phone or known.jid == phone):
            return known
        contact = self._find_or_make_contact(phone, lid)
        for name in filter(None, (phone, lid, contact.jid, contact.lid)):
            self._contacts[name] = contact
        return contact

    def _find_or_make_contact(self, phone: str, lid: str) -> Contact:
        mine = Contact.objects.filter(instance=self.instance)
        by_lid = mine.filter(Q(lid=lid) | Q(jid=lid)).first() if lid else None
        by_phone = mine.filter(jid=phone).first() if phone or not lid else None
        contact = by_phone or by_lid
        if contact is None:
            contact = Contact.objects.create(instance=self.instance, jid=phone or lid, lid=lid or None)
            self._made.add(contact.pk)
            return contact
        if phone and lid and not self.settled and (contact.jid, contact.lid) != (phone, lid):
            self._learn(contact, by_lid, phone, lid)
        return contact

    def _learn(self, contact: Contact, by_lid: Contact | None, phone: str, lid: str) -> None:
        """It has just become known that `phone` and `lid` are one person."""
        if by_lid is not None and by_lid.pk != contact.pk:
            if by_lid.called and not contact.called and contact.pk not in self._made:
                # What came under the number without a name is found by this one from now on.
                self.named.add(phone)
            contact.push_name = contact.push_name or by_lid.push_name
            contact.name = contact.name or by_lid.name
            by_lid.delete()
        contact.jid, contact.lid = phone, lid
        contact.save()
        if self._has_messages(lid):
            self.within_reach.update(_of_the_other_name(self.instance, lid, phone))
            _refile_messages(self.instance, lid, phone)
        self._rename_in_rules(lid, phone)
        self.within_reach.update(_merge_chats(self.instance, lid, phone, contact.called))
        self._chats.clear()
        self._contacts.clear()
        self._foreseen.clear()

    def _rename_in_rules(self, lid: str, phone: str) -> None:
        """Let rules go on for somebody whose messages stand under their number from now on."""
        if self._rules is None:
            self._rules = list(Rule.objects.filter(instance=self.instance))
        for rule in self._rules:
            if lid in rule.people:
                # Both names may stand there.
                rule.people = list(dict.fromkeys(phone if one == lid else one for one in rule.people))
                Rule.objects.filter(pk=rule.pk).update(people=rule.people)

    def _has_messages(self, lid: str) -> bool:
        """Whether any are filed under a LID; found out at the first of a batch's that is asked for, for all of them."""
        if lid not in self._filed:
            asked = (self._paired | {lid}) - self._filed.keys()
            there = {sender for (sender,) in _FILED_UNDER.rows(instance=self.instance.pk, names=asked)}
            self._filed.update((one, one in there) for one in asked)
        return self._filed[lid]


def _names(party: Party) -> tuple[str, str]:
    """(phone number or other JID, LID), each empty when unknown."""
    lid = next((name for name in (party.jid, party.alt) if name.endswith(LID)), "")
    phone = next((name for name in (party.jid, party.alt) if name and not name.endswith(LID)), "")
    return phone, lid


def filed_under(party: Party) -> str:
    """The name of a chat here: the phone number where it is known."""
    phone, lid = _names(party)
    return phone or lid


def _called(chat: Chat, name: str) -> Chat:
    """The chat under the name of its person, if they have one."""
    if name and chat.name != name:
        chat.name = name
        chat.save(update_fields=["name"])
    return chat


def _of_the_other_name(instance: Instance, lid: str, phone: str) -> Iterator[int]:
    """Edits and deletions of what the same person wrote in the same chat by their other name: no author's, so far."""
    mine = Message.objects.filter(instance=instance)
    for one, other in ((lid, phone), (phone, lid)):
        target = mine.filter(message_id=OuterRef("target_id"), chat=OuterRef("chat"), sender=other)
        theirs = mine.filter(Exists(target), sender=one, kind__in=(Message.Kind.EDIT, Message.Kind.DELETE))
        yield from theirs.values_list("pk", flat=True)


def _refile_messages(instance: Instance, lid: str, phone: str) -> None:
    """File what came under the LID, and pins made under it, under the phone number.

    A message that came under both stays once.
    """
    under_lid = Message.objects.filter(instance=instance, sender=lid)
    under_phone = Message.objects.filter(instance=instance, sender=phone)
    twins.join(under_phone, under_lid, ("chat_id", "message_id"))
    under_lid.update(sender=phone)
    # Whoever pinned has written: the pin is a message of theirs.
    pinbook.renamed(instance, lid, phone)


def _of_the_other_chat(one: Chat, other: Chat) -> Iterator[int]:
    """What was done in one chat to messages that are in the other alone."""
    target = Message.objects.filter(instance=one.instance_id, message_id=OuterRef("target_id"))
    done = one.messages.filter(kind__in=Message.CHANGING)
    done = done.filter(Exists(target.filter(chat=other)), ~Exists(target.filter(chat=one)))
    yield from done.values_list("pk", flat=True)


def _merge_chats(instance: Instance, lid: str, phone: str, called: str) -> Collection[int]:
    """One chat for both names, with all messages of both; returns what now has its target in its own chat."""
    mine = Chat.objects.filter(instance=instance)
    old = mine.filter(Q(jid=lid) | Q(lid=lid)).exclude(jid=phone).first()
    new = mine.filter(jid=phone).first()
    if old is None or new is None:
        chat = old or new
        if chat is not None:
            chat.jid, chat.lid, chat.name = phone, lid, called or chat.name
            chat.save(update_fields=["jid", "lid", "name"])
        return ()
    within_reach = [*_of_the_other_chat(old, new), *_of_the_other_chat(new, old)]
    twins.join(new.messages.all(), old.messages.all(), ("sender", "message_id"))
    old.messages.update(chat=new)
    Rule.objects.filter(chat=old).update(chat=new)
    new.name = called or new.name or old.name
    new.last_message_at = max(filter(None, (new.last_message_at, old.last_message_at)), default=None)
    old.delete()
    new.lid = lid
    new.save()
    pinbook.chats_joined(new)
    return within_reach
