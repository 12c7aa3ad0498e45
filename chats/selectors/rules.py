"""Rules as pages show them: what each does, and what it found."""

from typing import Any

from django.db.models import Count, F, Q
from django.http import Http404

from chats.models import Chat, Contact, Rule, RuleHit
from chats.rules.match import ME
from chats.selectors.chat_list import named
from chats.selectors.names import CALLED
from chats.selectors.places import beginning
from instances import access
from instances.models import Instance
from portal.letters import is_like

HITS = 50
CHATS = 200


def visible_to(user: access.User) -> Any:
    """The rules of the instances a person may see, each with their `role` there and how much it pinned."""
    role = access.role_of(user, "instance__account", "instance")
    found = Rule.objects.annotate(role=role).filter(role__isnull=False).select_related("instance__account", "chat")
    pinned = Count("hits", filter=Q(hits__state=RuleHit.State.DONE))
    return found.annotate(pinned=pinned).order_by("instance__name", "pk")


def find(user: access.User, uid: Any) -> Any:
    """One of them. Raises Http404."""
    rule = visible_to(user).filter(uid=uid).first()
    if rule is None:
        raise Http404
    return rule


def hits_of(rule: Rule) -> tuple[list[RuleHit], bool]:
    """What it found last, and whether there is more."""
    hits = rule.hits.select_related("message__chat", "message__instance").order_by("-found_at", "-pk")
    return beginning(hits, HITS)


def people_of(rule: Rule) -> list[str]:
    """The names of a rule's people, as far as they are known; "me" stays so."""
    known = Contact.objects.filter(instance=rule.instance_id, jid__in=rule.people)
    names = {one.jid: one.called for one in known}
    return [one if one == ME else names.get(one) or f"+{one.partition('@')[0]}" for one in rule.people]


def jid_by_name(instance: Instance, name: str) -> str:
    """The person who is called so at this instance; empty when nobody is, or several are.

    As the pages have it; else, if nobody is called so there, as they call themselves.
    """
    known = Contact.objects.filter(is_like("name", name) | is_like("push_name", name), instance=instance)
    for word in (CALLED, F("push_name")):
        found = list(known.annotate(word=word).filter(is_like("word", name)).values_list("jid", flat=True)[:2])
        if found:
            return found[0] if len(found) == 1 else ""
    return ""


def chats_of(instance: Instance, text: str = "", chosen: str = "") -> tuple[list[Chat], bool]:
    """The chats to choose from, the last written in first, and whether there are more.

    `text`: only those with it in their name or number. The `chosen` one (a JID) is there in any case.
    """
    every = Chat.objects.filter(instance=instance, last_message_at__isnull=False).order_by("-last_message_at")
    chats, more = beginning(every.filter(named(text)) if text else every, CHATS)
    if chosen and chosen not in {chat.jid for chat in chats}:
        chats = [*every.filter(jid=chosen), *chats]
    return chats, more
