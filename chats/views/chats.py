"""The list of chats and one chat: pages and their parts."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from chats import marks
from chats.selectors import conversation, history, pins
from chats.selectors.chat_list import PAGE, find_chat, list_chats
from chats.selectors.places import Place, beginning
from instances import access
from instances.states import SENTENCES, State
from portal.views import typed
from portal.views.page import signed_in

# So many instances are offered in the list's own filter.
INSTANCES = 50


def list_context(request: HttpRequest) -> dict[str, object]:
    """The list as the address bar asks for it."""
    wanted = request.GET.get("instance", "")
    try:
        instance = str(UUID(wanted)) if wanted else ""
    except ValueError:
        instance = ""
    text = typed.words(request.GET.get("filter", ""))[:100]
    unread = request.GET.get("unread") == "1"
    listed, more = list_chats(
        request.user,
        instance=instance,
        text=text,
        unread=unread,
        before=Place.parse(request.GET.get("before", "")),
        limit=typed.rows(request.GET.get("rows", ""), PAGE),
    )
    return {"listed": listed, "more": more, "instance_uid": instance, "filter": text, "unread_only": unread}


@require_safe
@signed_in
def chats(request: HttpRequest) -> HttpResponse:
    """The list, with no chat open."""
    context = list_context(request)
    return render(request, "chats/page.html", {**context, **_filters(request, str(context["instance_uid"]))})


@require_safe
@never_cache
@signed_in
def listing(request: HttpRequest) -> HttpResponse:
    """The list alone, or its next page."""
    context = list_context(request)
    context["current"] = typed.key(request.GET.get("current", ""))
    return render(request, "chats/_list.html", context)


@require_safe
@never_cache
@signed_in
def chat(request: HttpRequest, pk: int) -> HttpResponse:
    """One chat, at its end or at the message `at`."""
    at = request.GET.get("at", "")
    key = typed.key(at)
    found = find_chat(request.user, pk, at=key)
    anchor = key if key is not None and found.anchor_at else None
    stretch = conversation.around(found, Place(found.anchor_at, anchor)) if anchor else conversation.latest(found)
    pinned = conversation.with_pins(found, stretch)
    if stretch.newer is None:
        _note_read(found, stretch)
    listed = list_context(request)
    context = {
        **listed,
        **_filters(request, str(listed["instance_uid"])),
        "chat": found,
        "current": pk,
        "stretch": stretch,
        "anchor": anchor,
        "pinned": pinned,
        "may_pin": access.may_pin(found),
        "missing": bool(at) and anchor is None,
        "sentence": _why_away(found),
    }
    return render(request, "chats/page.html", context)


@require_safe
@never_cache
@signed_in
def rows(request: HttpRequest, pk: int) -> HttpResponse:
    """More of a chat: `older` or `newer` than a place, or what `news` (keys of messages) touch."""
    found = find_chat(request.user, pk)
    context = {"chat": found, "may_pin": access.may_pin(found)}
    older = Place.parse(request.GET.get("older", ""))
    newer = Place.parse(request.GET.get("newer", ""))
    if older:
        stretch = conversation.older_than(found, older)
    elif newer:
        stretch = conversation.newer_than(found, newer)
        if stretch.newer is None and request.GET.get("seen") == "1":
            _note_read(found, stretch)
    else:
        keys = typed.keys(request.GET.get("news", "").split(",")[:200])
        messages = conversation.targets_of(found, keys)
        stretch = conversation.Stretch(conversation.rows_of(found, messages))
    conversation.with_pins(found, stretch)
    return render(request, "chats/_stretch.html", {**context, "stretch": stretch})


@require_safe
@never_cache
@signed_in
def pinned_bar(request: HttpRequest, pk: int) -> HttpResponse:
    """The bar of what is pinned, alone."""
    found = find_chat(request.user, pk)
    context = {"chat": found, "pinned": [(pin.message, pins.view_of(pin)) for pin in pins.of_chat(pk)]}
    return render(request, "chats/_pinned_bar.html", context)


@require_safe
@never_cache
@signed_in
def details(request: HttpRequest, pk: int) -> HttpResponse:
    """What stands beside a chat: who it is, and what happened to its pins."""
    found = find_chat(request.user, pk)
    lines, _ = history.recent(request.user, chat=pk, limit=20)
    return render(request, "chats/_details.html", {"chat": found, "lines": lines})


@require_safe
@never_cache
@signed_in
def state(request: HttpRequest, pk: int) -> HttpResponse:
    """Whether the chat's instance is on the air: what stands below the head, and the head's dot."""
    found = find_chat(request.user, pk)
    return render(request, "chats/_state.html", {"chat": found, "sentence": _why_away(found), "fresh": True})


def _why_away(chat: Any) -> str:
    """Why nothing comes in or goes out, and what to do about it; empty while the instance is connected."""
    return "" if chat.instance.state == State.CONNECTED else SENTENCES[chat.instance.state]


def _filters(request: HttpRequest, chosen: str) -> dict[str, object]:
    """The instances that the list's filter offers, the chosen one among them, and whether there are more."""
    mine = access.visible_to(request.user).order_by("name").values("uid", "name")
    offered, more = beginning(mine, INSTANCES)
    if chosen and chosen not in {str(one["uid"]) for one in offered}:
        offered += mine.filter(uid=chosen)
    return {"instances": offered, "more_instances": more}


def _note_read(chat: object, stretch: conversation.Stretch) -> None:
    """Who only looks on does not tick messages off for those who answer them."""
    if stretch.rows and access.may_pin(chat):
        marks.mark_read(chat, stretch.rows[-1].message.sent_at)  # type: ignore[arg-type]
