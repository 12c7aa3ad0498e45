"""Rules on the pages: making one, looking at what it would have done, switching it, and what it found."""

import re
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from chats import pins
from chats.errands.batch import By
from chats.models import Rule
from chats.numbers import InvalidNumber, jid_of
from chats.rules import manage
from chats.rules.manage import InvalidRule, Wanted
from chats.rules.match import ME
from chats.rules.preview import DAYS, preview
from chats.selectors import rules as selectors
from chats.views import troubles
from instances import access
from instances.models import Instance
from portal.views import typed
from portal.views.page import signed_in


@require_safe
@never_cache
@signed_in
def listing(request: HttpRequest) -> HttpResponse:
    """All rules one may see, and where one may make more."""
    mine = [one for one in access.visible_to(request.user).order_by("name") if access.may_pin(one)]
    found = list(selectors.visible_to(request.user))
    for rule in found:
        rule.names = selectors.people_of(rule)
    return render(request, "chats/rules.html", {"rules": found, "instances": mine})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@signed_in
def add(request: HttpRequest, uid: UUID) -> HttpResponse:
    """The form of a new rule; what it says is written down, switched off."""
    instance = access.find_instance(request.user, uid)
    if not access.may_pin(instance):
        return HttpResponse(status=403)
    trouble = ""
    if request.method == "POST":
        try:
            rule = manage.add(instance, _wanted(request, instance), By(user=request.user))
        except InvalidRule as error:
            trouble = troubles.words(error)
        else:
            return redirect("rule", rule=rule.uid)
    chosen = typed.words((request.POST or request.GET).get("chat", ""))
    text = typed.words(request.GET.get("filter", ""))[:100]
    chats, more = selectors.chats_of(instance, text, chosen)
    form = request.POST if trouble else {"trigger": "message", "duration": "7d", "an_hour": "10", "chat": chosen}
    context = {
        "instance": instance,
        "triggers": Rule.Trigger.choices,
        "chats": chats,
        "more_chats": more,
        "durations": list(pins.DURATIONS.items()),
        "form": form,
        "trouble": trouble,
    }
    return render(request, "chats/rule_add.html", context, status=400 if trouble else 200)


@require_safe
@never_cache
@signed_in
def rule(request: HttpRequest, rule: UUID) -> HttpResponse:
    """One rule: what it does, what it found, and while it is off, what it would have found."""
    found = selectors.find(request.user, rule)
    found.names = selectors.people_of(found)
    tried = None if found.active else preview(found)
    hits, more = selectors.hits_of(found)
    context = {
        "rule": found,
        "hits": hits,
        "more_hits": more,
        "may_pin": access.may_pin(found),
        "tried": tried,
        "over": tried is not None and tried.busiest_hour > found.an_hour,
        "days": DAYS,
    }
    return render(request, "chats/rule.html", context)


@require_POST
@signed_in
def switch(request: HttpRequest, rule: UUID) -> HttpResponse:
    """On or off."""
    found = selectors.find(request.user, rule)
    if not access.may_pin(found):
        return HttpResponse(status=403)
    manage.switch(found, request.POST.get("active") == "1", By(user=request.user))
    return redirect("rule", rule=rule)


@require_POST
@signed_in
def delete(request: HttpRequest, rule: UUID) -> HttpResponse:
    """Away with it; the pins stay."""
    found = selectors.find(request.user, rule)
    if not access.may_pin(found):
        return HttpResponse(status=403)
    manage.delete(found, By(user=request.user))
    return redirect("rules")


def _wanted(request: HttpRequest, instance: Instance) -> Wanted:
    said = request.POST
    people = [_person(instance, one.strip()) for one in re.split(r"[,;\n]", said.get("people", "")) if one.strip()]
    an_hour = said.get("an_hour", "")
    return Wanted(
        name=said.get("name", "").replace("\0", ""),
        trigger=said.get("trigger", ""),
        words=said.get("words", "").replace("\0", ""),
        people=(*people, *([ME] if said.get("me") else [])),
        chat=said.get("chat", ""),
        duration=pins.DURATIONS.get(said.get("duration", ""), pins.DURATIONS["7d"]),
        an_hour=int(an_hour) if an_hour.isdecimal() and len(an_hour) < 5 else 0,
    )


def _person(instance: Instance, text: str) -> str:
    """A phone number, or the name of somebody who is known here."""
    try:
        return jid_of(text)
    except InvalidNumber:
        return selectors.jid_by_name(instance, text.replace("\0", "")) or "?"
