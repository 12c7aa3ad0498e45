"""The search page. The address bar always holds the search; everything on the page follows from it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from chats.errands.batch import MOST
from chats.export import FORMATS
from chats.models import Message
from chats.search import Cursor, Filter, Query, parse, search
from chats.search.query import TYPES
from chats.selectors import pins
from chats.templatetags.chat_tags import chat_name, kind_words, sender_words
from instances import access
from instances.models import Instance
from portal.views.page import is_fragment, signed_in

PAGE = 25
INSTANCES = 30


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is on (its link takes it off), or can be put on."""

    label: str
    url: str


@require_safe
@never_cache
@signed_in
def search_page(request: HttpRequest) -> HttpResponse:
    """The page; while typing, its results alone."""
    text = request.GET.get("q", "")
    query = parse(text)
    scope = {instance.pk: instance for instance in access.visible_to(request.user).order_by("name")}
    before = Cursor.parse(request.GET.get("before", ""))
    found = search(scope.keys(), query, before, PAGE) if query else None
    hits = found.hits if found else []
    # One look for what a crowd wrote may end before its first hit; then the page goes on by itself (`search.crowd`).
    empty = not hits and (before is None or "empty" in request.GET)
    views = pins.views_of([hit.message for hit in hits]) if hits else {}
    rows = []
    for hit in hits:
        instance = scope[hit.message.instance_id]
        rows.append((hit, views.get(hit.message.pk, pins.NO_PIN), instance, access.may_pin(instance)))
    context = {
        "q": text,
        "query": query,
        "rows": rows,
        "several": len(scope) > 1,
        "next": found.next if found else None,
        "next_url": _url(text, before=str(found.next), **({"empty": "1"} if empty else {}))
        if found and found.next
        else "",
        "continued": before is not None,
        "nothing": empty and found is not None and found.next is None,
        "export_urls": _export_urls(text, scope.values()) if found and (hits or found.next) else [],
        "suggestion": found.suggestion if found else "",
        "suggestion_url": _url(found.suggestion) if found else "",
    }
    if before is not None:
        return render(request, "chats/_hits.html", context)
    context["chips"] = [_on(query, part, [hit.message for hit in hits]) for part in query.filters]
    context["toggles"] = _toggles(query)
    context["examples"] = _examples()
    context["most"] = MOST
    context["menus"] = [
        *_menus(query, [instance.name for instance in scope.values()]),
        *_found_menus(query, [hit.message for hit in hits]),
    ]
    template = "chats/_results.html" if is_fragment(request) else "chats/search.html"
    return render(request, template, context)


def _url(text: str, **more: str) -> str:
    return f"{reverse('search')}?{urlencode({'q': text, **more})}"


def _export_urls(text: str, scope: Iterable[Instance]) -> list[tuple[str, str]]:
    """(format, address) of the exports offered: none to whoever may not export any of the instances."""
    if not any(map(access.may_export, scope)):
        return []
    return [(name, f"{reverse('search-export')}?{urlencode({'q': text, 'format': name})}") for name in FORMATS]


def _on(query: Query, part: Filter, messages: list[Message]) -> Chip:
    label = str(part)
    # A JID is no name to a person; whoever was found tells it.
    for message in messages[:1]:
        if part.name == "in" and part.value == message.chat.jid:
            label = f"in:{chat_name(message.chat)}"
        if part.name == "from" and part.value == message.sender:
            label = f"from:{sender_words(message)}"
    return Chip(label, _url(str(query.without(part))))


def _with(query: Query, name: str, value: str) -> str:
    """The address of the query with one more filter; of the kinds that exclude each other, instead."""
    kept = query
    for part in query.filters:
        if part.name == name and name in ("type", "instance", "after", "before", "on"):
            kept = kept.without(part)
    added = Query(kept.terms, (*kept.filters, Filter(name, value)))
    return _url(str(added))


def _menus(query: Query, instances: list[str]) -> list[tuple[str, str, list[Chip]]]:
    """(icon, title, choices) of the filters that can be put on."""
    today = timezone.localdate()
    dates = [
        Chip(_("Today"), _with(query, "on", "today")),
        Chip(_("Yesterday"), _with(query, "on", "yesterday")),
        Chip(_("Last 7 days"), _with(query, "after", f"{today - timedelta(days=7):%Y-%m-%d}")),
        Chip(_("Last 30 days"), _with(query, "after", f"{today - timedelta(days=30):%Y-%m-%d}")),
        Chip(_("This year"), _with(query, "on", f"{today:%Y}")),
    ]
    kinds = [kind for kind in Message.Kind if kind in TYPES and kind not in ("other", "unreadable", "system")]
    menus = [
        ("calendar", _("Date"), dates),
        ("file-text", _("Type"), [Chip(kind_words(kind), _with(query, "type", kind)) for kind in kinds]),
    ]
    if len(instances) > 1:
        choices = [Chip(name, _with(query, "instance", name)) for name in instances[:INSTANCES]]
        if len(instances) > INSTANCES:
            choices.append(Chip(_("There are more: type instance:name"), _url(f"{query} instance:")))
        menus.append(("smartphone", _("Instance"), choices))
    return menus


def _found_menus(query: Query, messages: list[Message]) -> list[tuple[str, str, list[Chip]]]:
    """Chats and senders to narrow it down to: those of the hits on the page."""
    chats = {message.chat_id: message.chat for message in messages}
    senders = {message.sender: sender_words(message) for message in messages if not message.from_me}
    menus = []
    if len(chats) > 1:
        choices = [Chip(chat_name(chat), _with(query, "in", chat.jid)) for chat in chats.values()]
        menus.append(("message-circle", _("Chat"), sorted(choices, key=lambda chip: chip.label)))
    if len(senders) > 1:
        choices = [Chip(words, _with(query, "from", jid)) for jid, words in senders.items()]
        menus.append(("user", _("Sender"), sorted(choices, key=lambda chip: chip.label)))
    return menus


def _examples() -> list[tuple[str, str]]:
    """What can be typed, for who has typed nothing yet."""
    return [
        ("from:Ana", _("what Ana wrote")),
        ("in:Marketing", _("in that chat or group")),
        ("type:document invoice", _("documents with this word")),
        ("is:pinned", _("what is pinned now")),
        ("after:2026-01-31 before:2026-03", _("between two dates")),
        ('"order number"', _("these words in this order")),
    ]


def _toggles(query: Query) -> list[Chip]:
    """Filters that are on or off."""
    return [
        Chip(label, _with(query, name, value))
        for label, name, value in (
            (_("From me"), "is", "mine"),
            (_("Pinned"), "is", "pinned"),
            (_("Media"), "has", "media"),
        )
        if value not in query.values(name)
    ]
